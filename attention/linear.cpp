// The linear family: backends whose whole past is one matrix a head, with a token's worth of work
// for each token. attention/recurrence.h has the mechanism.
#include "attention/recurrence.h"

namespace longreach::attention {
namespace {

class Linear final : public Recurrence {
 public:
  struct Params {
    std::optional<ScaledRopeParams> rope{};
    FeatureParams features{};
    void fields(Fields& f) {
      f("rope", rope, "rotary positions before the feature map");
      features.fields(f);
    }
  };
  Linear(const Params& params, const Shape& shape)
      : Recurrence({.features = params.features, .rope = params.rope}, shape) {}
};

class Retention final : public Recurrence {
 public:
  struct Params {
    std::optional<ScaledRopeParams> rope = ScaledRopeParams{};
    void fields(Fields& f) { f("rope", rope, "rotary positions on queries and keys"); }
  };
  Retention(const Params& params, const Shape& shape)
      : Recurrence({.decay = Decay::fixed, .rope = params.rope}, shape) {}
};

/// The block is short where shares kept are the tokens' own: a product of many could underflow.
constexpr i64 kShortBlock = 16;

struct GatedParams {
  double temperature = 16, decay_initial = 4;
  void fields(Fields& f) {
    f("temperature", temperature, at_least(1), "shares kept are sigmoid(x + c)^(1 / temperature)");
    f("decay_initial", decay_initial, between(-20, 20),
      "the learned c to begin with: at 4 (and temperature 16) half is left after 600 tokens");
  }
};

class GatedLinear final : public Recurrence {
 public:
  using Params = GatedParams;
  GatedLinear(const Params& params, const Shape& shape)
      : Recurrence({.decay = Decay::by_channel,
                    .temperature = params.temperature,
                    .decay_initial = params.decay_initial,
                    .block = kShortBlock},
                   shape) {}
};

class DeltaNet final : public Recurrence {
 public:
  struct Params {
    void fields(Fields&) {}
  };
  DeltaNet(const Params&, const Shape& shape) : Recurrence({.unit = true, .delta = true}, shape) {}
};

class GatedDelta final : public Recurrence {
 public:
  using Params = GatedParams;
  GatedDelta(const Params& params, const Shape& shape)
      : Recurrence({.unit = true,
                    .delta = true,
                    .decay = Decay::by_head,
                    .temperature = params.temperature,
                    .decay_initial = params.decay_initial,
                    .block = kShortBlock},
                   shape) {}
};

const Registered<AttentionRegistry, Linear> linear{
    "linear", "linear attention: a feature map and a normalizer (Katharopoulos et al. 2020)"};
const Registered<AttentionRegistry, Retention> retention{
    "retention", "a matrix that fades by a fixed share a token (RetNet, Sun et al. 2023)"};
const Registered<AttentionRegistry, GatedLinear> gated_linear{
    "gated_linear", "a matrix whose rows fade by the tokens' own shares (GLA, Yang et al. 2023)"};
const Registered<AttentionRegistry, DeltaNet> delta_net{
    "delta_net", "a matrix that learns what it does not know yet (Yang et al. 2024)"};
const Registered<AttentionRegistry, GatedDelta> gated_delta{
    "gated_delta", "the delta rule on a matrix that fades (Yang, Kautz & Hatamizadeh 2024)"};

}  // namespace
}  // namespace longreach::attention
