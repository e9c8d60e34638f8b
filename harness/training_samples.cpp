// Which samples each step of a training sees.
#include "harness/training_samples.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>
#include <set>

namespace longreach::harness {
namespace {

/// The most streams that any step has.
i64 most_streams(const Training& training) {
  return std::max<i64>(1, training.params.batch_tokens / training.shortest);
}

/// Where whole segments of nothing but filler begin, among the first `tokens` tokens.
std::vector<i64> filler_segments(const datasets::Sample& sample, i64 segment, i64 tokens) {
  std::vector<i64> begins;
  for (const datasets::Span& span : sample.filler) {
    const i64 end = std::min(span.end(), tokens);
    for (i64 begin = (span.begin + segment - 1) / segment * segment; begin + segment <= end;
         begin += segment) {
      begins.push_back(begin);
    }
  }
  return begins;
}

/// Picks a sample's repeats, which arrive as 1.
void repeat_filler(const datasets::Sample& sample, i64 segment, double share, double most, Rng draw,
                   std::span<float> repeats) {
  const std::vector<i64> begins = filler_segments(sample, segment, std::ssize(repeats));
  if (begins.empty() || draw.uniform() >= share) return;
  const i64 begin = begins[static_cast<std::size_t>(draw.below(std::ssize(begins)))];
  std::fill_n(repeats.begin() + begin, segment,
              static_cast<float>(std::exp(draw.uniform() * std::log(most))));
}

/// The first index from `first` on, in a circle of `available`, whose sample is that part's and not
/// taken yet.
std::optional<i64> find_sample(const datasets::Dataset& data, datasets::Split split, i64 first,
                               i64 available, const datasets::Dataset& part,
                               const std::set<std::pair<datasets::Split, i64>>& taken) {
  constexpr i64 kSearched = 4096;  // of every part a mixture has a sample in each row
  for (i64 i = 0; i < std::min(available, kSearched); ++i) {
    const i64 index = first + i < available ? first + i : first + i - available;
    if (&data.part(split, index) == &part && !taken.contains({split, index})) return index;
  }
  return std::nullopt;
}

}  // namespace

i64 sample_length(const Training& training, i64 step, const Rng& rng) {
  const double low = static_cast<double>(training.shortest);
  const double full = static_cast<double>(training.length);
  const double rising = training.ramp * static_cast<double>(training.params.steps);
  const double done = rising > 0 ? std::min(1.0, static_cast<double>(step) / rising) : 1.0;
  const double high = low + done * (full - low);
  if (training.shortest == training.length) return training.length;
  Rng draw = rng.fork("length").fork(step);
  const double drawn = low * std::exp(draw.uniform() * std::log(high / low));
  const i64 rounded = static_cast<i64>(std::llround(drawn / 64)) * 64;
  return std::clamp(rounded, training.shortest, training.length);
}

double most_repeats(const VirtualRepetition& repetition, i64 step, i64 steps) {
  const double since = static_cast<double>(step) / static_cast<double>(steps) - repetition.after;
  if (since <= 0) return 1;
  const double risen = repetition.ramp > 0 ? std::min(1.0, since / repetition.ramp) : 1.0;
  return std::pow(repetition.most, risen);
}

model::Batch make_batch(const Training& training, const datasets::Dataset& data, i64 step,
                        i64 segment, const Rng& rng, i64 part, i64 parts) {
  const i64 length = sample_length(training, step, rng);
  const i64 most = most_streams(training);  // keeps sample numbers apart between steps
  const i64 streams = std::max<i64>(1, training.params.batch_tokens / length);
  const i64 first = streams * part / parts, end = streams * (part + 1) / parts;
  model::Batch batch;
  batch.batch = end - first;
  batch.tokens = length - 1;
  const VirtualRepetition& repetition = training.virtual_repetition;
  const double repeats = most_repeats(repetition, step, training.params.steps);
  if (segment > 0 && repetition.share > 0 && repeats > 1) {
    batch.repeats.assign(static_cast<std::size_t>(batch.batch * batch.tokens), 1.0F);
  }
  for (i64 stream = first; stream < end; ++stream) {
    const datasets::Sample sample =
        data.sample(datasets::Split::train, step * most + stream, length);
    batch.inputs.insert(batch.inputs.end(), sample.tokens.begin(), sample.tokens.end() - 1);
    batch.targets.insert(batch.targets.end(), sample.tokens.begin() + 1, sample.tokens.end());
    if (sample.weights.empty()) {
      batch.weights.insert(batch.weights.end(), static_cast<std::size_t>(batch.tokens), 1.0f);
    } else {
      batch.weights.insert(batch.weights.end(), sample.weights.begin() + 1, sample.weights.end());
    }
    if (batch.repeats.empty()) continue;
    repeat_filler(sample, segment, repetition.share, repeats,
                  rng.fork("virtual repetition").fork(step).fork(stream),
                  std::span(batch.repeats)
                      .subspan(static_cast<std::size_t>((stream - first) * batch.tokens),
                               static_cast<std::size_t>(batch.tokens)));
  }
  return batch;
}

std::vector<ScoredPair> scored_pairs(const Training& training, const datasets::Dataset& data,
                                     const Rng& rng) {
  using datasets::Split;
  constexpr i64 kPairs = 32;
  constexpr i64 kSpread = 1 << 20;  // of more held-out samples than this the first ones will do
  const bool text = !data.documents(Split::train).empty();
  const i64 unread = training.params.steps * most_streams(training);
  const i64 available = text ? data.size(Split::test, training.length) : kPairs;
  const i64 count = std::min({kPairs, training.params.steps, available});
  std::vector<ScoredPair> pairs;
  std::set<std::pair<Split, i64>> taken;
  for (i64 i = 0; i < count; ++i) {
    const i64 step = i * training.params.steps / count;
    const i64 seen = step * most_streams(training);
    const datasets::Dataset& part = data.part(Split::train, seen);
    const Split split = part.documents(Split::train).empty() ? Split::train : Split::test;
    const bool unseen = split == Split::train;
    const i64 first = unseen ? unread + i : available > kSpread ? i : i * available / count;
    const auto held_out = find_sample(
        data, split, first, unseen ? std::numeric_limits<i64>::max() : available, part, taken);
    if (!held_out) continue;
    taken.emplace(split, *held_out);
    pairs.push_back({.seen = seen,
                     .held_out = *held_out,
                     .length = sample_length(training, step, rng),
                     .split = split});
  }
  return pairs;
}

}  // namespace longreach::harness
