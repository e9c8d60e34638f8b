// Outcomes to store, and hands on the database that keeps them.
#pragma once

#include <catch2/catch.hpp>
#include <sqlite3.h>
#include <string>
#include <vector>

#include "harness/store.h"

namespace longreach::tests {

using namespace longreach::harness;

inline Outcome outcome(const std::string& id, double value) {
  Outcome made;
  made.info.cell_id = id;
  made.info.backend = "full";
  made.info.task = "perplexity";
  made.info.seed = 0;
  made.info.lr = 0.1;
  Measurement m;
  m.metric = "perplexity/token";
  m.value = value;
  m.higher_is_better = false;
  m.n = 3;
  made.findings.measurements = {m, m};
  made.findings.samples = {{.cell_id = id,
                            .index = 4,
                            .sample_sha = "ab",
                            .target = "12\xff",
                            .output = "34",
                            .excerpt = "the key […] what?",
                            .scores = {{"exact_match", 1}},
                            .depth = 50,
                            .distance = {},
                            .segments_crossed = {},
                            .cluster = "cd"}};
  made.findings.curves = {{.cell_id = id,
                           .name = "training/loss",
                           .x_unit = "tokens",
                           .y_unit = "nats/token",
                           .x = {1, 2},
                           .y = {0.5, 0.25},
                           .series = "layer 0 head 3"}};
  return made;
}

inline void execute(const std::string& path, const std::string& sql) {
  sqlite3* database = nullptr;
  REQUIRE(sqlite3_open(path.c_str(), &database) == SQLITE_OK);
  CHECK(sqlite3_exec(database, sql.c_str(), nullptr, nullptr, nullptr) == SQLITE_OK);
  sqlite3_close(database);
}

/// What a store told.
struct Told {
  std::vector<std::string> messages;
  Store::Tell tell() {
    return [this](const std::string& message) { messages.push_back(message); };
  }
};

}  // namespace longreach::tests
