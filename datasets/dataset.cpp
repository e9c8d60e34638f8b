// The dataset registry, and the vocabularies that generators register beside it.
#include "datasets/dataset.h"

#include <map>

#include "core/sha256.h"

namespace longreach {
template <>
datasets::DatasetRegistry& datasets::DatasetRegistry::instance() {
  static datasets::DatasetRegistry registry;
  return registry;
}
}  // namespace longreach

namespace longreach::datasets {
namespace {

/// Inside a function, so that it exists when the first file registers, whatever the link order.
std::map<std::string, RegisteredVocabulary::Words>& vocabularies() {
  static std::map<std::string, RegisteredVocabulary::Words> by_type;
  return by_type;
}

}  // namespace

Rng stream_of(const Rng& rng, Split split, i64 index) {
  return rng.fork(split == Split::train ? "train" : "test").fork(index);
}

std::string Sample::sha() const { return sha256(std::span<const Token>(tokens)); }

RegisteredVocabulary::RegisteredVocabulary(std::string type, Words words) {
  vocabularies().emplace(std::move(type), words);
}

std::vector<std::string> task_vocabulary(const std::string& type) {
  DatasetRegistry::instance().find(type);
  const auto found = vocabularies().find(type);
  return found == vocabularies().end() ? std::vector<std::string>{} : found->second();
}

}  // namespace longreach::datasets
