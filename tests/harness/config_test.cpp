// Configurations: what they mean, and everything that is wrong with them at once.
#include "harness/config.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <set>

#include "core/error.h"
#include "datasets/text.h"
#include "experiment.h"
#include "harness/assemble.h"

using namespace longreach;
using namespace longreach::harness;
using namespace longreach::tests;
using Catch::Matchers::Contains;
using Catch::Matchers::StartsWith;

namespace {

template <class Choice>
std::vector<std::string> names(const std::vector<Choice>& choices) {
  std::vector<std::string> out;
  for (const Choice& choice : choices) out.push_back(choice.name);
  return out;
}

}  // namespace

TEST_CASE("Defaults follow from the file: output, seeds, task data, model and lengths") {
  Parts parts;
  parts.more = "seed: 42\n";
  const Experiment experiment = read(parts);
  CHECK(experiment.output == "runs/t");
  CHECK(experiment.models[0].training->seeds == std::vector<i64>{42});
  CHECK(experiment.models[0].training->shortest == 64);
  CHECK(experiment.models[0].architecture.kv_heads == 2);
  CHECK(experiment.models[0].architecture.vocabulary == 256);
  CHECK(experiment.tasks[0].model == "reader");
  CHECK(experiment.tasks[0].lengths == std::vector<i64>{64, 128});
  REQUIRE(experiment.tasks[0].data);
  CHECK(experiment.tasks[0].data->type == "text");
  CHECK(experiment.tasks[0].data->sha.size() == 64);
  CHECK_FALSE(experiment.tasks[1].data);
  CHECK(experiment.statistics.baseline == "full");
}

TEST_CASE("The threshold of effective lengths is set, and absent in what older runs stored") {
  Parts parts;
  parts.more = "statistics: {effective_threshold: 0.5, effective_relative: false}\n";
  const StatisticsChoice choice = read(parts).statistics;
  CHECK(choice.effective_threshold == 0.5);
  CHECK_FALSE(choice.effective_relative);
  parts.more = "statistics: {effective_threshold: 1.5}\n";
  CHECK_THROWS_AS(read(parts), Error);
  StatisticsChoice old;
  visit_params("confidence: 0.9, bootstrap: 100, baseline: full, correction: none",
               [&old](Fields& f) { old.fields(f); });
  CHECK(old.confidence == 0.9);
  CHECK(old.effective_threshold == 0.85);
  CHECK(old.effective_relative);
}

TEST_CASE("A list among a backend's parameters makes a backend of each value") {
  Parts parts;
  parts.backends = "[{name: infini, infini: {segment: 16..64*2, update: [linear, delta]}}]";
  const Experiment experiment = read(parts);
  CHECK(names(experiment.backends) ==
        std::vector<std::string>{
            "infini segment=16 update=linear", "infini segment=16 update=delta",
            "infini segment=32 update=linear", "infini segment=32 update=delta",
            "infini segment=64 update=linear", "infini segment=64 update=delta"});
  CHECK(param(experiment.backends[3].layers[0].params, "segment") == "32");
  CHECK(param(experiment.backends[3].layers[0].params, "update") == "delta");
}

TEST_CASE("Scalings of rotary positions can be swept") {
  Parts parts;
  parts.backends =
      "[{name: scaled, full: {rope: {scaling: [linear, yarn], factor: 8, original_length: 1k}}}]";
  const Experiment experiment = read(parts);
  CHECK(names(experiment.backends) ==
        std::vector<std::string>{"scaled scaling=linear", "scaled scaling=yarn"});
  CHECK(experiment.backends[1].layers[0].params.ends_with(
      "scaling: yarn, factor: 8, original_length: 1024, low_frequency_factor: 1, "
      "high_frequency_factor: 4}"));
}

TEST_CASE("A learning rate list stays one model, an architecture list makes several") {
  Parts parts;
  parts.models =
      "[{name: m, arch: {layers: [1, 2], width: 16, heads: 2, vocabulary: task}, train: {data: "
      "{passkey: {}}, steps: "
      "1, length: 128, lr: [1e-3, 3e-3], seeds: 0..2+1}}]";
  parts.tasks = "[{passkey: {model: m layers=1}}]";
  const Experiment experiment = read(parts);
  CHECK(names(experiment.models) == std::vector<std::string>{"m layers=1", "m layers=2"});
  CHECK(experiment.models[0].training->lr == std::vector<double>{1e-3, 3e-3});
  CHECK(experiment.models[0].training->seeds == std::vector<i64>{0, 1, 2});
}

TEST_CASE("The recall experiment trains on all numbers of pairs that it measures") {
  const Experiment experiment = read_experiment(LONGREACH_SOURCE_DIR "/configs/recall.yaml", {});
  CHECK(names(experiment.models) == std::vector<std::string>{"smallest", "recaller", "one_head"});
  CHECK(names(experiment.backends) == std::vector<std::string>{"full", "window window=16",
                                                               "window window=64", "linear",
                                                               "delta"});
  const ModelChoice& recaller = experiment.models[1];
  CHECK(param(recaller.training->data.params, "pairs") == "32");
  CHECK(param(recaller.training->data.params, "fewest") == "4");
  CHECK(recaller.training->length >= 4 * 32);
  const TaskChoice& task = experiment.tasks[1];
  CHECK(task.model == "recaller");
  CHECK_THAT(task.metric.params, Contains("pairs: [4, 8, 16, 32]"));
}

TEST_CASE("Virtual repetition is off by default, and its share can be swept") {
  Parts parts;
  parts.models =
      "[{name: m, arch: {width: 16, heads: 2, vocabulary: task}, train: {data: {passkey: {}}, "
      "length: 128, virtual_repetition: {share: [0, 0.7], most: 1k}}}]";
  parts.tasks = "[{passkey: {model: m share=0.7}}]";
  const Experiment experiment = read(parts);
  CHECK(names(experiment.models) == std::vector<std::string>{"m share=0", "m share=0.7"});
  CHECK(experiment.models[1].training->virtual_repetition.share == 0.7);
  CHECK(experiment.models[1].training->virtual_repetition.most == 1024);
  CHECK(read({}).models[0].training->virtual_repetition.share == 0);
}

TEST_CASE("Segments that all layers share are the least common multiple of theirs") {
  const auto common = [](const std::string& layers) {
    Parts parts;
    parts.backends = "[{name: b, pattern: " + layers + "}]";
    return memory_segment_of(read(parts).backends[0]);
  };
  CHECK(common("[{full: {}}, {sliding_window: {window: 7}}]") == 0);
  CHECK(common("[{sliding_window: {window: 7}}, {infini: {segment: 8}}]") == 8);
  CHECK(common("[{infini: {segment: 4}}, {infini: {segment: 6}}, {full: {}}]") == 12);
}

TEST_CASE("A pattern repeats over the layers and is told as a list") {
  Parts parts;
  parts.backends = "[{name: hybrid, pattern: [{infini: {segment: 8}}, full, {full: {}}]}]";
  const Experiment experiment = read(parts);
  const BackendChoice& hybrid = experiment.backends[0];
  CHECK(hybrid.type() == "infini+full");
  CHECK(hybrid.layer(0).type == "infini");
  CHECK(hybrid.layer(2).type == "full");
  CHECK(hybrid.layer(3).type == "infini");
  CHECK(hybrid.layer(1).params == hybrid.layer(2).params);
  CHECK_THAT(hybrid.params(), StartsWith("[{infini: {segment: 8"));
}

TEST_CASE("Layers are one backend for each layer of the model, no more and no fewer") {
  Parts parts;
  parts.models = "[{name: m, arch: {layers: 2, width: 16, heads: 2}}]";
  parts.tasks = "[memory]";
  parts.backends = "[{name: hybrid, layers: [infini, {full: {cache: f16}}]}]";
  const Experiment experiment = read(parts);
  CHECK(experiment.backends[0].layer(0).params ==
        canonical(attention::AttentionRegistry::instance().find("infini").visit_defaults));
  CHECK(param(experiment.backends[0].layer(1).params, "cache") == "f16");
  parts.backends = "[{name: hybrid, layers: [infini, full, full]}]";
  CHECK_THROWS_WITH(read(parts),
                    "t.yaml:4 backends[0].layers: lists 3 for the 2 layers of model "
                    "'m'; pattern: [...] repeats");
  parts.backends = "[{name: hybrid, layers: [infini, ful]}]";
  CHECK_THROWS_WITH(read(parts), Contains("backends[0].layers[1].ful: unknown backend 'ful'; did "
                                          "you mean 'full'?"));
}

TEST_CASE("A list of layers is held against those models only that it is used with") {
  Parts parts;
  parts.models =
      "[{name: two, arch: {layers: 2, width: 16, heads: 2}}, "
      "{name: three, arch: {layers: 3, width: 16, heads: 2}}]";
  parts.backends = "[{name: a, layers: [full, infini]}, {name: b, layers: [full, full, infini]}]";
  parts.tasks =
      "[{memory: {model: two, backends: a}}, {name: m3, memory: {model: three, "
      "backends: b}}]";
  CHECK_NOTHROW(read(parts));
  parts.tasks = "[{memory: {model: two, backends: a}}, {name: m3, memory: {model: three}}]";
  CHECK_THROWS_WITH(read(parts), Contains("lists 2 for the 3 layers of model 'three'"));
}

TEST_CASE("State, work and activity of a hybrid are the sums over the layers that it has") {
  Parts parts;
  parts.models = "[{name: m, arch: {layers: 5, width: 16, heads: 2}}]";
  parts.tasks = "[memory]";
  parts.backends =
      "[{name: hybrid, pattern: [{infini: {segment: 8}}, {infini: {segment: 8}}, full]}, {full: "
      "{}}, "
      "{infini: {segment: 8}}]";
  const Experiment experiment = read(parts);
  const auto made = [&](std::size_t b) {
    return make_model(experiment.models[0], experiment.backends[b], 1);
  };
  const model::Transformer hybrid = made(0), full = made(1), infini = made(2);
  // Layers 0, 1, 3 and 4 are infini's, of two heads of size 8: 8 x 9 floats of memory each and 8
  // keys and values of 8; layer 2 holds 64 keys and values.
  CHECK(hybrid.state_bytes(64) == 4 * 2 * (8 * 9 + 2 * 8 * 8) * 4 + 2 * 2 * 64 * 8 * 4);
  CHECK(hybrid.initial_state(1, 64).bytes() == hybrid.state_bytes(64));
  const auto whole = hybrid.cost(16, 40), of_full = full.cost(16, 40),
             of_infini = infini.cost(16, 40);
  CHECK(5 * whole.flops == Approx(4 * of_infini.flops + of_full.flops).epsilon(1e-12));
  CHECK(5 * whole.activity.keys_scored ==
        4 * of_infini.activity.keys_scored + of_full.activity.keys_scored);
  CHECK(5 * whole.activity.compressions == 4 * of_infini.activity.compressions);
}

TEST_CASE("Everything wrong is told at once, with lines and keys") {
  Parts parts;
  parts.models = "[{name: m, import: {path: x}, arch: {layers: 0}}]";
  parts.backends = "[{name: a, sliding_window: {window: 0}}, {name: b, infini: {}, full: {}}]";
  parts.lengths = "[0]";
  parts.tasks = "[{perplexty: {}}]";
  parts.more = "lenghts: [1]\n";
  try {
    read(parts);
    FAIL("was accepted");
  } catch (const Error& failure) {
    const std::string text = failure.what();
    CHECK_THAT(
        text,
        Contains("t.yaml:3 models[0].arch: an imported model has the architecture of its file"));
    CHECK_THAT(text, Contains("t.yaml:3 models[0].arch.layers: 0 is out of range"));
    CHECK_THAT(text, Contains("t.yaml:4 backends[0].sliding_window.window: 0 is out of range; "
                              "must be at least 1"));
    CHECK_THAT(text, Contains("t.yaml:4 backends[1]: expected exactly one backend besides name, "
                              "baseline, weights_of, longest, heads, state_bytes, solve; "
                              "found 2: infini, full"));
    CHECK_THAT(text, Contains("t.yaml:5 lengths: 0 is out of range; must be between 1 and "
                              "1073741824"));
    CHECK_THAT(text, Contains("t.yaml:6 tasks[0]: unknown metric 'perplexty'; did you mean "
                              "'perplexity'?"));
    CHECK_THAT(text, Contains("t.yaml:7 lenghts: unknown key; did you mean 'lengths'?"));
  }
}

TEST_CASE("Parts that do not fit together are refused") {
  const auto refused = [](const Parts& parts, const std::string& words) {
    CHECK_THROWS_WITH(read(parts), Contains(words));
  };
  Parts parts;
  parts.backends = "[{name: a, full: {}}, {name: a, full: {}}]";
  refused(parts,
          "t.yaml:4 backends[1]: two entries are named 'a'; give this one another name (the "
          "other: t.yaml:4 backends[0])");
  parts.backends = "[{name: a, full: {}, baseline: true}, {name: b, full: {}, baseline: true}]";
  refused(parts, "t.yaml:4 backends[1]: a and b are marked as baseline");
  parts.backends = "[{name: a b, full: {}}]";
  refused(parts, "must have no space");
  parts.backends = "[{name: a, full: {rope: {scaling: yarn, factor: 8}}}]";
  refused(parts, "backends[0].full: rope.scaling: yarn needs rope.original_length");
  parts = {};
  parts.tasks = "[{perplexity: {model: nobody}}]";
  refused(parts, "tasks[0]: unknown model 'nobody'; known: reader");
  parts.tasks = "[{perplexity: {backends: [widow]}}]";
  refused(parts, "unknown backend 'widow'; did you mean 'window'?");
  parts = {};
  parts.more = "statistics: {baseline: ful}\n";
  refused(parts, "t.yaml:7 statistics.baseline: 'ful', but 'full' is marked as baseline");
  parts.backends = "[{name: full, full: {}}]";
  refused(parts, "t.yaml:7 statistics.baseline: unknown backend 'ful'; did you mean 'full'?");
  parts = {};
  parts.models = "[{name: m, arch: {vocabulary: task}}]";
  refused(parts, "vocabulary: task takes its words from train.data");
  parts.models =
      "[{name: m, arch: {width: 16, heads: 2, vocabulary: task}, train: {data: {text: "
      "{path: configs/data/harbour.txt}}}}]";
  refused(parts, "the dataset 'text' has no words of its own");
  parts.models = "[{name: m, arch: {width: 16, heads: 2}, train: {steps: 1}}]";
  refused(parts, "models[0].train: needs data");
  parts.models =
      "[{name: m, arch: {width: 16, heads: 2, vocabulary: task}, train: {data: {passkey: "
      "{}}, length: 8}}]";
  refused(parts, "training samples of 8 tokens");
  parts.models =
      "[{name: m, arch: {width: 16, heads: 2}, train: {data: {text: {path: "
      "configs/data/harbour.txt}}, virtual_repetition: {share: 0.7}}}]";
  refused(parts, "the dataset 'text' has no filler that virtual_repetition could repeat");
}

TEST_CASE("A divergence needs a baseline and the baseline's weights") {
  Parts parts;
  parts.tasks = "[{divergence: {stride: 32}}]";
  CHECK_THROWS_WITH(read(parts), Contains("t.yaml:6 tasks[0]") &&
                                     Contains("window has others than the baseline full") &&
                                     Contains("weights_of: full"));
  const std::string own = parts.backends;
  parts.tasks = "[{divergence: {stride: 32, backends: [full]}}]";
  CHECK_NOTHROW(read(parts));  // the other is not compared
  parts.tasks = "[{divergence: {stride: 32}}]";
  parts.backends =
      "[{name: full, full: {}, baseline: true}, {name: window, sliding_window: {}, weights_of: "
      "full}]";
  CHECK_NOTHROW(read(parts));
  parts.backends = "[{name: full, full: {}}, {name: window, sliding_window: {}}]";
  CHECK_THROWS_WITH(read(parts), Contains("no backend is one; mark one with baseline: true"));

  // What was not trained has the same weights unless its heads differ.
  parts.models = "[{name: reader, arch: {layers: 1, width: 16, heads: 2}}]";
  parts.tasks =
      "[{divergence: {stride: 32, data: {text: {path: configs/data/harbour.txt, held_out: 0.4}}}}]";
  parts.backends = own;
  CHECK_NOTHROW(read(parts));
  parts.backends =
      "[{name: full, full: {}, baseline: true}, {name: window, heads: 4, sliding_window: {}}]";
  CHECK_THROWS_WITH(read(parts), Contains("window has others than the baseline full"));
}

TEST_CASE("The command line wins over the file, and errors say that it was the command line") {
  Overrides overrides;
  overrides.set = {"models.reader.train.steps=9", "backends.window.window=32"};
  overrides.lengths = {"1k"};
  overrides.seed = "5";
  overrides.output = "elsewhere";
  const Experiment experiment = read({}, overrides);
  CHECK(experiment.models[0].training->params.steps == 9);
  CHECK(param(experiment.backends[1].layers[0].params, "window") == "32");
  CHECK(experiment.tasks[0].lengths == std::vector<i64>{1024});
  CHECK(experiment.seed == 5);
  CHECK(experiment.output == "elsewhere");
  overrides.set = {"backends.window.window=0"};
  CHECK_THROWS_WITH(read({}, overrides), StartsWith("--set backends[1].sliding_window.window: 0"));
}

TEST_CASE("Parameters come back from their canonical text, empty or with line breaks") {
  for (const std::string separator :
       {"", "<|endoftext|>", "\n\n", "it's \"quoted\"\\\t: {", "none"}) {
    datasets::TextParams params{"a.txt", 0.05, "text", separator}, back;
    visit_params(canonical(params), [&](Fields& reader) { back.fields(reader); });
    CHECK(back.separator == separator);
    CHECK(back.path == "a.txt");
  }
}

TEST_CASE("The edited configuration reads back to the same experiment") {
  Overrides overrides;
  overrides.set = {"models.reader.train.steps=9"};
  overrides.seed = "5";
  const Experiment first = read({}, overrides);
  Overrides again;
  again.folder = LONGREACH_SOURCE_DIR;
  const Experiment second = read_experiment_text(first.edited, "copy.yaml", again);
  CHECK(second.models[0].training->params.steps == 9);
  CHECK(second.seed == 5);
  CHECK(second.edited == first.edited);
}

namespace {

/// A model that learns from that mix, and a task of that data.
Parts mixed(const std::string& mix, const std::string& task = "{questions: {}}") {
  Parts parts;
  parts.models =
      "[{name: m, arch: {layers: 1, width: 16, heads: 2, vocabulary: task}, train: {data: {mix: " +
      mix + "}, steps: 2, length: 128, batch_tokens: 256}}]";
  parts.lengths = "[128]";
  parts.tasks = "[" + task + "]";
  return parts;
}

}  // namespace

TEST_CASE("A mix has parts with parameters, and the words of all of them in order") {
  const Experiment experiment =
      read(mixed("[{recall: {pairs: 4}}, passkey, {passkey: {near_share: 0}}]"));
  const ModelChoice& model = experiment.models[0];
  const Component& data = model.training->data;
  REQUIRE(data.parts.size() == 3);
  CHECK(param(data.parts[0].params, "pairs") == "4");
  CHECK(param(data.parts[1].params, "near_share") == "0.25");
  CHECK(param(data.parts[2].params, "near_share") == "0");
  CHECK(data.parts[2].where == "t.yaml:3 models[0].train.data.mix[2].passkey");
  CHECK(data.parts[1].version > 0);
  // The task asks what the model has learnt.
  REQUIRE(experiment.tasks[0].data);
  CHECK(experiment.tasks[0].data->parts.size() == 3);

  std::vector<std::string> words = datasets::task_vocabulary("recall");
  for (const std::string& word : datasets::task_vocabulary("passkey")) {
    if (std::ranges::find(words, word) == words.end()) words.push_back(word);
  }
  CHECK(make_tokenizer(model)->sha() == datasets::word_tokenizer(words)->sha());
  CHECK(model.architecture.vocabulary == std::ssize(words));
}

TEST_CASE("A mix is made of its parts, each with a stream of its own") {
  const Experiment experiment = read(mixed("[passkey, passkey, {recall: {pairs: 4}}]"));
  const ModelChoice& model = experiment.models[0];
  const auto tokenizer = make_tokenizer(model);
  const auto data = make_dataset(model.training->data, "", *tokenizer, Rng(1));
  std::set<std::string> keys;
  std::multiset<std::string> kinds;
  for (i64 i = 0; i < 30; ++i) {
    const datasets::Sample sample = data->sample(datasets::Split::train, i, 128);
    kinds.insert(sample.last().kind);
    if (sample.last().kind == "passkey") keys.insert(sample.sha());
  }
  CHECK(kinds.count("passkey") == 20);
  CHECK(kinds.count("recall") == 10);
  CHECK(keys.size() == 20);  // the two parts do not repeat each other
}

TEST_CASE("Parts of a mix can be swept and set from the command line") {
  Parts parts = mixed("[passkey, {recall: {pairs: [4, 8]}}]", "{questions: {model: m pairs=8}}");
  const Experiment swept = read(parts);
  CHECK(names(swept.models) == std::vector<std::string>{"m pairs=4", "m pairs=8"});
  CHECK(param(swept.models[1].training->data.parts[1].params, "pairs") == "8");
  Overrides overrides;
  overrides.set = {"models.m.train.data.mix.1.recall.pairs=16"};
  parts.tasks = "[questions]";
  CHECK(param(read(parts, overrides).models[0].training->data.parts[1].params, "pairs") == "16");
  overrides.set = {"models.m.train.data.mix.1.recall.pairs=0"};
  CHECK_THROWS_WITH(
      read(parts, overrides),
      StartsWith("--set models[0].train.data.mix[1].recall.pairs: 0 is out of range"));
}

TEST_CASE("What is wrong with a mix is told with its place") {
  const auto refused = [](const Parts& parts, const std::string& words) {
    CHECK_THROWS_WITH(read(parts), Contains(words));
  };
  refused(mixed("[]"), "t.yaml:3 models[0].train.data.mix: expected a list of datasets");
  refused(mixed("{passkey: {}}"), "models[0].train.data.mix: expected a list of datasets");
  refused(mixed("[passkey, {recal: {}}]"),
          "models[0].train.data.mix[1].recal: unknown dataset 'recal'; did you mean 'recall'?");
  refused(mixed("[passkey, {recall: {pears: 4}}]"),
          "t.yaml:3 models[0].train.data.mix[1].recall.pears: unknown key; did you mean 'pairs'?");
  refused(mixed("[passkey, {mix: [recall]}]"),
          "models[0].train.data.mix[1]: a mix within a mix; list its parts among the others");
  refused(mixed("[passkey, {recall: {pairs: 40}}]"),
          "models[0].train.data.mix[1].recall: training samples of 128 tokens");
  refused(mixed("[passkey, {text: {path: configs/data/harbour.txt}}]"),
          "the dataset 'text' has no words of its own; use bytes");
  Parts parts;
  parts.models =
      "[{name: m, arch: {width: 16, heads: 2}, train: {data: {mix: [{text: {path: "
      "configs/data/harbour.txt}}, {text: {path: configs/data/harbour.txt}}]}, length: 64, "
      "virtual_repetition: {share: 0.7}}}]";
  refused(parts, "the dataset 'mix' has no filler that virtual_repetition could repeat");
  parts = mixed("[passkey, {recall: {pairs: 4}}]");
  Overrides repeats;
  repeats.set = {"models.m.train.virtual_repetition={share: 0.7}"};
  CHECK_NOTHROW(read(parts, repeats));
  // Of parts that cannot be made nobody knows whether they have filler.
  CHECK_THROWS_WITH(read(mixed("[{recall: {pairs: 40}}]"), repeats),
                    Contains("training samples of 128 tokens") && !Contains("no filler"));
}

TEST_CASE("A task whose words the model has not learnt is refused in one line") {
  Parts parts = mixed("[passkey]", "{questions: {data: {mix: [passkey, {recall: {pairs: 4}}]}}}");
  try {
    read(parts);
    FAIL("was accepted");
  } catch (const Error& failure) {
    const std::string text = failure.what();
    CHECK_THAT(text, StartsWith("t.yaml:6 tasks[0].questions.data.mix[1].recall: "));
    CHECK(text.find('\n') == std::string::npos);
  }
}
