// The optimizer against arithmetic, and the training loop's promises.
#include "model/trainer.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <filesystem>
#include <limits>

#include "model/checkpoint.h"
#include "tests/model/models.h"
#include "tests/model/together.h"

namespace longreach::model {
namespace {

std::vector<StepReport> train_on(Transformer& model, const TrainParams& params,
                                 const std::function<Batch(i64)>& next) {
  std::vector<StepReport> reports;
  train(model, params, next, [&](const StepReport& report) { reports.push_back(report); });
  return reports;
}

TEST_CASE("two AdamW steps give what the equations give by hand") {
  const std::vector<Parameter> parameters{{"matrix", {1, 1}, 0, 1, 1, true},
                                          {"gate", {1}, 1, 1, 10, false}};
  TrainParams params;
  params.beta1 = 0.9;
  params.beta2 = 0.98;
  params.weight_decay = 0.5;
  AdamW optimizer(parameters, params);
  Floats weights{1, 1};
  // Step 1: m / (1 - .9) = g = 1 and v / (1 - .98) = g^2 = 1, so the step is the learning rate.
  optimizer.step(0.1, weights, Floats{1, 1});
  CHECK(weights[0] == Approx(1 - 0.1 * 0.5 - 0.1 * 1));
  CHECK(weights[1] == Approx(1 - 10 * 0.1).margin(1e-6));
  // Step 2, g = -2: m = .9 (.1) + .1 (-2) = -.11, over 1 - .81 = .19;
  // v = .98 (.02) + .02 (4) = .0996, over 1 - .9604 = .0396.
  const double step = 0.1 * (-0.11 / 0.19) / std::sqrt(0.0996 / 0.0396);
  optimizer.step(0.1, weights, Floats{-2, -2});
  CHECK(weights[0] == Approx(0.85 * (1 - 0.05) - step).epsilon(1e-5));
  CHECK(weights[1] == Approx(0 - 10 * step).epsilon(1e-5));
}

TEST_CASE("weights that learn after the backends' own rest until then, and warm up from there") {
  const std::vector<Parameter> parameters{{"matrix", {1, 1}, 0, 1, 1, true},
                                          {"gate", {1}, 1, 1, 1, false, true}};
  TrainParams params;
  params.backends_only = 3;
  params.warmup = 4;
  params.weight_decay = 0;
  AdamW optimizer(parameters, params);
  Floats weights{1, 1};
  for (int step = 0; step < 3; ++step) optimizer.step(0.1, weights, Floats{0, 1}, true);
  CHECK(weights[0] == 1);
  CHECK(weights[1] == Approx(1 - 3 * 0.1));  // of one gradient again and again each step is lr
  // Their first and second step, whatever the gradient's size: a quarter and a half of lr.
  optimizer.step(0.1, weights, Floats{5, 1});
  CHECK(weights[0] == Approx(1 - 0.025));
  optimizer.step(0.1, weights, Floats{5, 1});
  CHECK(weights[0] == Approx(1 - 0.025 - 0.05));
  CHECK(weights[1] == Approx(1 - 5 * 0.1));
}

TEST_CASE("the learning rate warms up in equal steps and ends at its final share") {
  TrainParams params;
  params.lr = 1;
  params.warmup = 4;
  params.steps = 12;
  params.final_lr = 0.05;
  CHECK(learning_rate(params, 0) == Approx(0.25));
  CHECK(learning_rate(params, 1) == Approx(0.5));
  CHECK(learning_rate(params, 3) == Approx(1));
  CHECK(learning_rate(params, 7) == Approx((1 + 0.05) / 2));  // halfway down the cosine
  CHECK(learning_rate(params, 11) == Approx(0.05));
  params.warmup = 0;
  CHECK(learning_rate(params, 0) < 1);
  CHECK(learning_rate(params, 0) > 0.9);
}

TEST_CASE("every backend learns one batch by heart") {
  for (const std::string& backend : backend_names()) {
    Architecture a = grouped();
    a.width = 32;
    a.head_dim = 8;
    a.hidden = 48;
    Transformer model = make_model(a, backend);
    // Distinct tokens, so that even a window of four tells every position from the others.
    Batch batch{1,
                10,
                {0, 1, 2, 3, 4, 5, 6, 7, 8, 9},
                {3, 1, 4, 1, 5, 9, 2, 6, 5, 3},
                std::vector<float>(10, 1.0f)};
    TrainParams params;
    params.steps = 120;
    params.lr = 1e-2;
    params.warmup = 10;
    const auto reports = train_on(model, params, [&](i64) { return batch; });
    INFO(backend);
    CHECK(reports.front().loss > 1.5);
    CHECK(reports.back().loss < 0.02);
  }
}

TEST_CASE("a loss curve of twenty steps is the same to the bit when run again") {
  for (const std::string& backend : backend_names()) {
    std::vector<std::vector<StepReport>> curves;
    std::vector<Floats> weights;
    for (int run = 0; run < 2; ++run) {
      Architecture a = grouped();
      a.width = 32;
      a.hidden = 64;
      Transformer model = make_model(a, backend);
      TrainParams params;
      params.steps = 20;
      curves.push_back(
          train_on(model, params, [](i64 step) { return random_batch(4, 40, 11, 100 + step); }));
      weights.emplace_back(model.weights().begin(), model.weights().end());
    }
    for (std::size_t step = 0; step < 20; ++step) {
      INFO(backend << " step " << step);
      CHECK(curves[0][step].loss == curves[1][step].loss);
      CHECK(curves[0][step].gradient_norm == curves[1][step].gradient_norm);
    }
    CHECK(weights[0] == weights[1]);
  }
}

TEST_CASE("a training step clips the global norm and honours rates and decay of each group") {
  // With beta1 = beta2 = 0 and a first step the update is lr * scale * g / (|g| + 1e-8), whatever
  // the clipping; weights with no gradient move by their decay alone.
  Transformer model = make_model(grouped(), "infini");
  const Floats before(model.weights().begin(), model.weights().end());
  const Batch batch = random_batch(2, 12, 11, 5);
  Floats grad(before.size());
  batch_loss(model, batch, grad);
  TrainParams params;
  params.steps = 1;
  params.lr = 1e-3;
  params.warmup = 1;
  params.weight_decay = 0.1;
  const auto reports = train_on(model, params, [&](i64) { return batch; });
  double squares = 0;
  for (const float g : grad) squares += static_cast<double>(g) * static_cast<double>(g);
  CHECK(reports[0].gradient_norm == Approx(std::sqrt(squares)));
  CHECK(reports[0].tokens == 24);
  const double clip = std::min(1.0, params.clip / std::sqrt(squares));
  for (const Parameter& parameter : model.parameters()) {
    const std::size_t i = static_cast<std::size_t>(parameter.offset);
    const double g = clip * static_cast<double>(grad[i]), w = static_cast<double>(before[i]);
    const double rate = params.lr * parameter.learning_rate_scale;
    const double expected = w - rate * g / (std::abs(g) + 1e-8) -
                            (parameter.decays ? rate * params.weight_decay * w : 0);
    INFO(parameter.name);
    CHECK(static_cast<double>(model.weights()[i]) == Approx(expected).epsilon(1e-6).margin(1e-6));
  }
}

TEST_CASE("a gate starts, moves and decays as its backend was told") {
  const Architecture a = grouped().resolved();
  const Batch batch = random_batch(2, 12, 11, 5);
  TrainParams params;
  params.steps = 1;
  params.lr = 1e-3;
  params.warmup = 1;
  params.weight_decay = 0.5;
  for (const double scale : {0.0, 1.0, 10.0}) {
    for (const bool decays : {false, true}) {
      const tests::Settings settings{{"segment", "4"},
                                     {"gate_initial", "-2"},
                                     {"gate_lr_scale", fmt::format("{}", scale)},
                                     {"gate_decay", decays ? "true" : "false"}};
      const std::vector<std::shared_ptr<const attention::Backend>> backends(
          2, attention::make_backend("infini", settings, a.attention_shape()));
      Transformer model(a, backends, Rng(1));
      Floats grad(model.weights().size());
      batch_loss(model, batch, grad);
      train(model, params, [&](i64) { return batch; }, {});
      for (const Parameter& parameter : model.parameters()) {
        if (!parameter.name.ends_with("attention.gate")) continue;
        for (i64 i = parameter.offset; i < parameter.offset + parameter.size; ++i) {
          const std::size_t at = static_cast<std::size_t>(i);
          REQUIRE(std::abs(grad[at]) > 1e-5);  // far above Adam's epsilon
          // Adam's first step is the learning rate, against the gradient's sign.
          const double rate = params.lr * scale, sign = grad[at] > 0 ? 1 : -1;
          const double start = decays ? -2 * (1 - rate * params.weight_decay) : -2;
          INFO(parameter.name << " scale " << scale << " decays " << decays);
          CHECK(model.weights()[at] == Approx(start - rate * sign).margin(1e-3 * rate + 1e-6));
        }
      }
    }
  }
}

TEST_CASE("batch_loss adds to the gradient it is given") {
  const Transformer model = make_model(grouped(), "full");
  const Batch batch = random_batch(2, 12, 11, 5);
  Floats once(model.weights().size()), twice(model.weights().size());
  const double loss = batch_loss(model, batch, once);
  batch_loss(model, batch, twice);
  batch_loss(model, batch, twice);
  for (std::size_t i = 0; i < once.size(); ++i) {
    CHECK(twice[i] == Approx(2 * once[i]).margin(1e-6));
  }
  CHECK(batch_loss(model, batch, {}) == Approx(loss).epsilon(1e-6));
}

TEST_CASE("recomputing chunk by chunk gives the gradient of the whole tape") {
  for (const std::string& backend : backend_names()) {
    for (const bool repeats : {false, true}) {
      Transformer model = make_model(grouped(), backend);
      scatter_weights(model, 3);
      Batch batch = random_batch(2, 23, 11, 5);
      std::fill_n(batch.weights.begin(), 10, 0.0f);  // chunks in which nothing counts
      std::fill_n(batch.weights.begin() + 23, 10, 0.0f);
      if (repeats) batch.repeats.assign(46, 2.5f);
      Floats whole(model.weights().size());
      const double loss = batch_loss(model, batch, whole);
      double largest = 0;
      for (const float g : whole) largest = std::max(largest, std::abs(static_cast<double>(g)));
      for (const i64 recompute : {1, 4, 5, 22, 23, 100}) {
        INFO(backend << " recompute " << recompute << " repeats " << repeats);
        Floats grad(whole.size());
        CHECK(batch_loss(model, batch, grad, recompute) == Approx(loss).epsilon(1e-6));
        double error = 0;
        for (std::size_t i = 0; i < grad.size(); ++i) {
          error = std::max(error, std::abs(static_cast<double>(grad[i] - whole[i])));
        }
        CHECK(error < 1e-5 * largest);  // some tens of roundings of 6e-8
        if (recompute >= 23) CHECK(grad == whole);
      }
    }
  }
}

TEST_CASE("recomputing holds one chunk's tape, and a state for each chunk") {
  for (const std::string& backend : backend_names()) {
    std::vector<StepReport> reports;
    Transformer model = make_model(grouped(), backend);
    for (const i64 recompute : {0, 16}) {
      TrainParams params;
      params.recompute = recompute;
      params.steps = 1;
      const auto report = train_on(model, params, [](i64) { return random_batch(2, 128, 11, 5); });
      reports.push_back(report[0]);
    }
    INFO(backend);
    // A chunk of an eighth; besides its own tokens a tape holds what they attend to, of two heads
    // of four.
    CHECK(reports[1].tape_bytes < reports[0].tape_bytes / 4);
    CHECK(reports[1].tape_bytes >= reports[0].tape_bytes / 8);
    const i64 state = model.initial_state(2, 128).bytes();
    CHECK(reports[0].state_bytes == state);
    // Of what is appended to, one state serves all chunks.
    if (model.backends().front()->appends()) {
      const i64 shift = 7 * model.initial_state(2, 0).bytes();
      CHECK(reports[1].state_bytes == state + shift);
    } else {
      CHECK(reports[1].state_bytes == 8 * state);
    }
  }
}

TEST_CASE("training that diverges ends in an error that names the step") {
  Transformer model = make_model(grouped(), "full");
  const auto run = [&] {
    TrainParams params;
    params.steps = 5;
    train(model, params,
          [&](i64 step) {
            if (step == 2) model.weights()[0] = std::numeric_limits<float>::quiet_NaN();
            Batch batch = random_batch(1, 4, 11, 1);
            batch.inputs[0] = 0;  // reads the spoilt row of the embedding
            return batch;
          },
          {});
  };
  CHECK_THAT(message_of(run), Catch::Contains("training step 2") && Catch::Contains("not finite"));
}

TEST_CASE("a batch of the wrong size is an error, not a read beyond its end") {
  Transformer model = make_model(grouped(), "full");
  Batch batch = random_batch(2, 4, 11, 1);
  batch.targets.pop_back();
  CHECK_THAT(message_of([&] { batch_loss(model, batch, {}); }), Catch::Contains("7 targets"));
}

TEST_CASE("repeats reach a compressive memory, leave other backends alone, and are checked") {
  // Segments of 4: the first and the second are read by what follows.
  Batch batch = random_batch(2, 12, 11, 5);
  for (const std::string backend : {"full", "sliding_window", "infini"}) {
    const Transformer model = make_model(grouped(), backend);
    batch.repeats.clear();
    const double once = batch_loss(model, batch, {});
    batch.repeats.assign(24, 1);
    CHECK(batch_loss(model, batch, {}) == once);
    std::fill_n(batch.repeats.begin() + 4, 4, 100.0F);
    CHECK((batch_loss(model, batch, {}) == once) == (backend != "infini"));
  }
  const Transformer model = make_model(grouped(), "infini");
  batch.repeats[3] = 0;
  CHECK_THAT(message_of([&] { batch_loss(model, batch, {}); }), Catch::Contains("counts 0 times"));
  batch.repeats.pop_back();
  CHECK_THAT(message_of([&] { batch_loss(model, batch, {}); }), Catch::Contains("23 repeats"));
}

TEST_CASE("training cut in two by a checkpoint comes to the same bits") {
  const TempFolder folder;
  const std::string path = folder.file("cut.training.safetensors");
  TrainParams params;
  params.steps = 20;
  const auto batch = [](i64 step) { return random_batch(3, 24, 11, 50 + step); };
  for (const std::string& backend : backend_names()) {
    Transformer whole = make_model(grouped(), backend);
    const std::vector<StepReport> reports = train_on(whole, params, batch);

    Transformer first = make_model(grouped(), backend);
    Trainer before(first, params);
    for (i64 step = 0; step < 10; ++step) before.step(batch(step));
    before.save(path, {{"colour", "blue"}});

    Transformer second = make_model(grouped(), backend);
    std::ranges::fill(second.weights(), 7.0f);
    Trainer after(second, params);
    const auto notes = after.load(path);
    CHECK(notes == std::map<std::string, std::string>{{"colour", "blue"}});
    REQUIRE(after.steps_done() == 10);
    StepReport last;
    while (!after.done()) last = after.step(batch(after.steps_done()));
    INFO(backend);
    CHECK(last.step == 19);
    CHECK(last.loss == reports.back().loss);
    CHECK(last.tokens == reports.back().tokens);
    CHECK(std::ranges::equal(whole.weights(), second.weights()));
  }
}

TEST_CASE("processes that share each batch follow the loss curve of one that has it whole") {
  TrainParams params;
  params.steps = 20;
  constexpr i64 kStreams = 5, kTokens = 24;
  const auto whole = [](i64 step) {
    Batch batch = random_batch(kStreams, kTokens, 11, 50 + step);
    std::fill_n(batch.weights.begin(), kTokens + 3, 0.0f);  // streams that count less, or nothing
    return batch;
  };
  const auto part = [&](i64 step, i64 first, i64 end) {
    const Batch batch = whole(step);
    const auto cut = [&](const auto& values) {
      return std::vector(values.begin() + first * kTokens, values.begin() + end * kTokens);
    };
    return Batch{end - first, kTokens, cut(batch.inputs), cut(batch.targets), cut(batch.weights)};
  };
  for (const std::string& backend : backend_names()) {
    Transformer alone = make_model(grouped(), backend);
    const std::vector<StepReport> expected = train_on(alone, params, whole);
    for (const i64 count : {2, 7}) {  // more than there are streams too
      std::vector<std::vector<StepReport>> reports(static_cast<std::size_t>(count));
      std::vector<Floats> weights(static_cast<std::size_t>(count));
      tests::train_together(count, [&](Processes& processes) {
        const auto rank = static_cast<std::size_t>(processes.rank());
        Transformer model = make_model(grouped(), backend);
        Trainer trainer(model, params, processes);
        while (!trainer.done()) {
          reports[rank].push_back(
              trainer.step(part(trainer.steps_done(), kStreams * processes.rank() / count,
                                kStreams * (processes.rank() + 1) / count)));
        }
        weights[rank].assign(model.weights().begin(), model.weights().end());
      });
      INFO(backend << ", " << count << " processes");
      for (std::size_t step = 0; step < expected.size(); ++step) {
        CHECK(reports[0][step].loss == Approx(expected[step].loss).margin(1e-4));
        CHECK(reports[0][step].tokens == expected[step].tokens);
        CHECK(reports.back()[step].loss == reports[0][step].loss);
      }
      for (const Floats& other : weights) CHECK(other == weights[0]);
    }
  }
}

TEST_CASE("a checkpoint that is not whole, or of another model, is refused and changes nothing") {
  const TempFolder folder;
  const std::string path = folder.file("bad.training.safetensors");
  TrainParams params;
  params.steps = 4;
  Transformer model = make_model(grouped(), "full");
  Trainer trainer(model, params);
  trainer.step(random_batch(2, 8, 11, 1));
  trainer.save(path, {});
  const auto size = std::filesystem::file_size(path);

  Architecture wider = grouped();
  wider.hidden += 16;
  Transformer other = make_model(wider, "full");
  const Floats weights(other.weights().begin(), other.weights().end());
  Trainer of_other(other, params);
  CHECK_THAT(message_of([&] { of_other.load(path); }), Catch::Contains("the model has"));
  for (const auto kept : {size - 1, size / 2, std::uintmax_t{4}}) {
    std::filesystem::resize_file(path, kept);
    CHECK_THAT(message_of([&] { of_other.load(path); }), Catch::Contains(path));
  }
  save_checkpoint(model, path);
  CHECK_THAT(message_of([&] { trainer.load(path); }), Catch::Contains("no training checkpoint"));
  CHECK(of_other.steps_done() == 0);
  CHECK(std::ranges::equal(weights, other.weights()));
}

}  // namespace
}  // namespace longreach::model
