// Which one score stands for a task where there is room for one.
#pragma once

#include <algorithm>
#include <array>
#include <string>
#include <string_view>
#include <vector>

namespace longreach::reports {

struct MainScore {
  std::string_view task;  ///< the name that a configuration gives it unless told; "": any
  std::string_view metric;
};

/// Of a task, the first entry that names it and that it measured. `questions` scores every task in
/// six ways: of RULER's the share of references found counts, of the article's cases F1.
inline constexpr std::array kMainScores{MainScore{"dialogue", "questions/f1"},
                                        MainScore{"records", "questions/f1"},
                                        MainScore{"document", "questions/f1"},
                                        MainScore{"summary", "questions/choice"},
                                        MainScore{"facts", "questions/exact_match"},
                                        MainScore{"", "questions/found"},
                                        MainScore{"", "passkey/exact_match"},
                                        MainScore{"", "recall/accuracy"},
                                        MainScore{"", "perplexity/bits_per_byte"},
                                        MainScore{"", "perplexity/token"},
                                        MainScore{"", "divergence/kl"},
                                        MainScore{"", "utilization/efficiency"},
                                        MainScore{"", "utilization/gain"},
                                        MainScore{"", "ablation/drop"},
                                        MainScore{"", "mutual_information/per_token"},
                                        MainScore{"", "coherence/real_order"},
                                        MainScore{"", "relevance/own_continuation"},
                                        MainScore{"", "generation/rep_4"},
                                        MainScore{"", "introspection/memory_off"},
                                        MainScore{"", "blur/match_over_random"},
                                        MainScore{"", "latency/decode"},
                                        MainScore{"", "memory/state_held"},
                                        MainScore{"", "training/held_out"},
                                        MainScore{"", "training/loss"}};

/// "" when it measured nothing; its first metric when the table has none of them.
inline std::string main_score(std::string_view task, const std::vector<std::string>& measured) {
  for (const MainScore& one : kMainScores) {
    if (!one.task.empty() && one.task != task) continue;
    if (std::find(measured.begin(), measured.end(), one.metric) != measured.end()) {
      return std::string(one.metric);
    }
  }
  return measured.empty() ? "" : measured.front();
}

}  // namespace longreach::reports
