// Reads the tokenizer.json of byte-level BPE (github.com/huggingface/tokenizers). The file is a
// stranger's: ids are checked against each other, and nothing unknown is passed over in silence.
#include "datasets/bpe_file.h"

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <unordered_map>

#include "core/error.h"
#include "core/sha256.h"
#include "datasets/byte_spelling.h"
#include "datasets/vocabulary.h"

namespace longreach::datasets {
namespace {

using Json = nlohmann::json;

constexpr const char* kGpt2Pattern =
    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";

Json parse(const std::string& content, const std::string& path) {
  constexpr int kDepth = 32;  // known files have 7
  const auto look = [&](int depth, Json::parse_event_t, Json&) {
    if (depth > kDepth) throw error("{}: nests too deep for a tokenizer", path);
    return true;
  };
  try {
    Json json = Json::parse(content, look);
    if (!json.is_object()) throw error("{}: is no JSON object", path);
    return json;
  } catch (const Json::exception& bad) {
    throw error("{}: is not valid JSON ({})", path, bad.what());
  }
}

/// What stands under `key`, null where nothing does.
const Json& at(const Json& json, const char* key) {
  static const Json null;
  const auto found = json.find(key);
  return found == json.end() ? null : *found;
}

std::string type_of(const Json& json) {
  const Json& type = at(json, "type");
  return type.is_string() ? type.get<std::string>() : "";
}

/// `json` itself, or the parts of a Sequence, whatever its depth.
std::vector<const Json*> steps_of(const Json& json, const char* parts) {
  if (json.is_null()) return {};
  if (type_of(json) != "Sequence") return {&json};
  std::vector<const Json*> steps;
  for (const Json& part : json.at(parts)) {
    const std::vector<const Json*> inner = steps_of(part, parts);
    steps.insert(steps.end(), inner.begin(), inner.end());
  }
  return steps;
}

/// An array or an object, or an Error.
const Json& part_of(const Json& json, const char* key, bool array, const std::string& path) {
  const Json& part = at(json, key);
  if (array ? part.is_array() : part.is_object()) return part;
  throw error("{}: has no {} '{}'; is it a tokenizer.json?", path, array ? "list" : "object", key);
}

bool is_byte_level(const Json& json) {
  const Json& model = at(json, "model");
  const std::vector<const Json*> steps = steps_of(at(json, "pre_tokenizer"), "pretokenizers");
  return type_of(model) == "BPE" && at(model, "byte_fallback") != true &&
         std::any_of(steps.begin(), steps.end(),
                     [](const Json* step) { return type_of(*step) == "ByteLevel"; });
}

/// Fills a BpeFile, one section of the JSON after the other.
class Reader {
 public:
  Reader(const Json& json, const std::string& path) : json_(json), path_(path) {}

  BpeFile read(const Json& config) {
    read_model_options();
    read_vocabulary();
    read_added();
    read_bytes();
    read_rules();
    read_normalizer();
    read_splits();
    read_template();
    read_config(config);
    hide_controls();
    return std::move(file_);
  }

 private:
  void read_model_options() {
    if (!is_byte_level(json_)) {
      throw error(
          "{}: is no byte-level BPE (model type '{}'); of SentencePiece's models give "
          "tokenizer.model",
          path_, type_of(at(json_, "model")));
    }
    const Json& model = at(json_, "model");
    for (const char* key : {"continuing_subword_prefix", "end_of_word_suffix"}) {
      const Json& value = at(model, key);
      if (!value.is_null() && value != "") {
        throw error("{}: {} is {}; byte-level BPE is read without one", path_, key, value.dump());
      }
    }
    const Json& dropout = at(model, "dropout");
    if (!dropout.is_null() && dropout != 0) {
      throw error("{}: dropout {} makes tokens random; set it to null", path_, dropout.dump());
    }
    file_.whole_pieces_first = model.value("ignore_merges", false);
  }

  /// Takes an id for `name`. All ids are below the number of names and differ: so none is left out.
  Token take_id(const std::string& name, const Json& id) {
    const std::size_t count = file_.pieces.size();
    if (!id.is_number_unsigned() || id.get<std::uint64_t>() >= count) {
      throw error("{}: the id of '{}' is {}; {} tokens have the ids 0 to {}", path_, name,
                  id.dump(), count, count - 1);
    }
    const auto place = id.get<std::size_t>();
    if (taken_[place]) throw error("{}: '{}' has id {}, as another token has", path_, name, place);
    taken_[place] = true;
    return static_cast<Token>(place);
  }

  void read_vocabulary() {
    const Json& vocabulary = part_of(json_.at("model"), "vocab", false, path_);
    std::size_t count = vocabulary.size();
    for (const Json& added : at(json_, "added_tokens")) {
      if (!vocabulary.contains(added.at("content").get<std::string>())) ++count;
    }
    file_.pieces.resize(count);
    taken_.resize(count);
    for (const auto& [name, id] : vocabulary.items()) {
      if (name.empty()) throw error("{}: the vocabulary has an empty token", path_);
      const Token token = take_id(name, id);
      ids_.emplace(name, token);
      BpeFile::Piece& piece = this->piece(token);
      piece.ordinary = spelt_bytes(name, piece.text);
      if (!piece.ordinary) piece.text = name;  // read_added() will find it, or refuse it
    }
  }

  void read_added() {
    for (const Json& added : at(json_, "added_tokens")) {
      const auto name = added.at("content").get<std::string>();
      if (name.empty()) throw error("{}: an added token is empty", path_);
      if (added_.contains(name)) throw error("{}: '{}' is added twice", path_, name);
      const auto found = ids_.find(name);
      const Token token = found == ids_.end() ? take_id(name, added.at("id")) : found->second;
      if (added.at("id") != token) {
        throw error("{}: '{}' is added as {} and is {} in the vocabulary", path_, name,
                    added.at("id").dump(), token);
      }
      BpeFile::Piece& piece = this->piece(token);
      piece.ordinary = false;
      if (found == ids_.end()) piece.text = name;
      added_.emplace(name, token);
      if (added.value("special", false)) controls_.push_back(token);
    }
    for (const auto& [name, token] : ids_) {
      if (!piece(token).ordinary && !added_.contains(name)) {
        throw error("{}: '{}' spells no bytes; is this a byte-level vocabulary?", path_, name);
      }
    }
  }

  void read_bytes() {
    constexpr Token kNone = -1;
    file_.bytes.fill(kNone);
    for (std::size_t id = 0; id < file_.pieces.size(); ++id) {
      const BpeFile::Piece& piece = file_.pieces[id];
      if (!piece.ordinary || piece.text.size() != 1) continue;
      file_.bytes[static_cast<unsigned char>(piece.text.front())] = static_cast<Token>(id);
    }
    const auto missing = std::find(file_.bytes.begin(), file_.bytes.end(), kNone);
    if (missing == file_.bytes.end()) return;
    throw error("{}: the vocabulary has no token for the byte {}; byte-level BPE has all 256",
                path_, missing - file_.bytes.begin());
  }

  /// Both sides of a merge: ["a", "b"], or "a b" in older files.
  std::array<std::string, 2> sides_of(const Json& merge) const {
    if (merge.is_array() && merge.size() == 2) {
      return {merge[0].get<std::string>(), merge[1].get<std::string>()};
    }
    const auto text = merge.get<std::string>();
    const std::size_t space = text.find(' ');
    if (space == std::string::npos || text.find(' ', space + 1) != std::string::npos) {
      throw error("{}: the merge '{}' is not two tokens with a space between", path_, text);
    }
    return {text.substr(0, space), text.substr(space + 1)};
  }

  void read_rules() {
    for (const Json& merge : part_of(json_.at("model"), "merges", true, path_)) {
      const auto [left, right] = sides_of(merge);
      const auto id = [&](const std::string& name) {
        const auto found = ids_.find(name);
        if (found != ids_.end()) return found->second;
        throw error("{}: the merge {} needs '{}', which the vocabulary has not", path_,
                    merge.dump(), name);
      };
      file_.rules.push_back({id(left), id(right), id(left + right)});
    }
  }

  void read_normalizer() {
    for (const Json* step : steps_of(at(json_, "normalizer"), "normalizers")) {
      if (type_of(*step) != "NFC") {
        throw error("{}: the normalizer '{}' is not done here; NFC is", path_, type_of(*step));
      }
      file_.composed = true;
    }
  }

  void add_split(const std::string& pattern, SplitPattern::Kind kind = SplitPattern::Kind::regex) {
    file_.splits.emplace_back(pattern, kind, path_);
  }

  void read_split(const Json& step) {
    // Removed and inverted keeps the matches alone; the patterns in use match everything, and where
    // one does not, dropping text is not what a language model's text should suffer.
    const auto behavior = step.at("behavior").get<std::string>();
    const bool keeps_all =
        behavior == "Isolated" || (behavior == "Removed" && step.value("invert", false));
    if (!keeps_all) {
      throw error("{}: Split with the behavior '{}' is not done here; Isolated is", path_,
                  behavior);
    }
    const Json& pattern = step.at("pattern");
    if (pattern.contains("String")) {
      add_split(pattern.at("String").get<std::string>(), SplitPattern::Kind::literal);
    } else {
      add_split(pattern.at("Regex").get<std::string>());
    }
  }

  void read_splits() {
    const std::vector<const Json*> steps = steps_of(at(json_, "pre_tokenizer"), "pretokenizers");
    for (const Json* step : steps) {
      const std::string type = type_of(*step);
      if (type == "ByteLevel" && step == steps.back()) {
        file_.leading_space = step->value("add_prefix_space", false);
        if (step->value("use_regex", true)) add_split(kGpt2Pattern);
      } else if (type == "Digits") {
        add_split(step->value("individual_digits", false) ? R"(\p{N})" : R"(\p{N}+)");
      } else if (type == "Split") {
        read_split(*step);
      } else {
        throw error("{}: the pre_tokenizer '{}' is not done here{}", path_, type,
                    type == "ByteLevel" ? " before others" : "; Split, Digits and ByteLevel are");
      }
    }
    if (file_.leading_space && steps.size() > 1) {
      throw error("{}: add_prefix_space after other steps would put spaces into words", path_);
    }
  }

  Token known(const std::string& name, std::string_view what) const {
    if (const auto found = added_.find(name); found != added_.end()) return found->second;
    if (const auto found = ids_.find(name); found != ids_.end()) return found->second;
    throw error("{}: {} is '{}', which is no token of it", path_, what, name);
  }

  /// What a document begins with stands before its text in the template, what it ends with after.
  void read_template() {
    for (const Json* step : steps_of(at(json_, "post_processor"), "processors")) {
      const std::string type = type_of(*step);
      if (type == "ByteLevel") continue;  // moves offsets, not tokens
      if (type != "TemplateProcessing") {
        throw error("{}: the post_processor '{}' is not done here; TemplateProcessing is", path_,
                    type);
      }
      std::vector<Token>* side = &file_.opening;
      for (const Json& item : part_of(*step, "single", true, path_)) {
        if (item.contains("Sequence")) {
          side = &file_.endings;
        } else {
          side->push_back(known(item.at("SpecialToken").at("id").get<std::string>(),
                                "a token of post_processor"));
        }
      }
    }
  }

  /// The text of "bos_token": a string or, in older files, an object that holds it.
  static std::string name_in(const Json& config, const char* key) {
    const Json& value = at(config, key);
    if (value.is_object()) return value.at("content").get<std::string>();
    return value.is_null() ? "" : value.get<std::string>();
  }

  void read_config(const Json& config) {
    const std::string begin = name_in(config, "bos_token"), end = name_in(config, "eos_token");
    const Json& add = at(config, "add_bos_token");
    if (add == true) {
      const Token token = known(begin, "bos_token");
      if (std::ranges::count(file_.opening, token) == 0) {
        file_.opening.insert(file_.opening.begin(), token);
      }
    } else if (add == false && !begin.empty()) {
      std::erase(file_.opening, known(begin, "bos_token"));
    }
    if (end.empty()) return;
    const Token token = known(end, "eos_token");
    if (std::ranges::count(file_.endings, token) == 0) file_.endings.push_back(token);
  }

  /// Takes the text from control tokens, and refuses those that text could become.
  void hide_controls() {
    for (const auto* tokens : {&file_.opening, &file_.endings}) {
      controls_.insert(controls_.end(), tokens->begin(), tokens->end());
    }
    std::vector<bool> made(file_.pieces.size());
    for (const Token token : file_.bytes) made[static_cast<std::size_t>(token)] = true;
    for (const BpeFile::Rule& rule : file_.rules) {
      made[static_cast<std::size_t>(rule.merged)] = true;
    }
    for (const Token token : controls_) {
      if (made[static_cast<std::size_t>(token)]) {
        throw error("{}: token {} is a control token, and merging text makes it too", path_, token);
      }
      piece(token) = {};
    }
  }

  BpeFile::Piece& piece(Token token) { return file_.pieces[static_cast<std::size_t>(token)]; }

  const Json& json_;
  const std::string& path_;
  BpeFile file_;
  std::vector<bool> taken_;
  std::vector<Token> controls_;
  std::unordered_map<std::string, Token> ids_;    ///< of the vocabulary proper, as it is spelt
  std::unordered_map<std::string, Token> added_;  ///< by content
};

/// tokenizer_config.json beside `path`; null where there is none.
Json config_beside(const std::string& path) {
  const auto config = std::filesystem::path(path).parent_path() / "tokenizer_config.json";
  std::error_code ignored;
  if (!std::filesystem::exists(config, ignored)) return nullptr;
  return parse(read_tokenizer_file(config.string()), config.string());
}

}  // namespace

BpeFile read_bpe_file(const std::string& path) {
  const std::string content = read_tokenizer_file(path);
  const Json json = parse(content, path), config = config_beside(path);
  try {
    BpeFile file = Reader(json, path).read(config);
    file.sha = sha256(fmt::format("bpe\n{}\n{} {}", sha256(content), fmt::join(file.opening, ","),
                                  fmt::join(file.endings, ",")));
    return file;
  } catch (const Json::exception& bad) {
    throw error("{}: is no well-formed tokenizer ({})", path, bad.what());
  }
}

bool is_byte_level_bpe(const std::string& path) {
  const Json json = parse(read_tokenizer_file(path), path);
  try {
    return is_byte_level(json);
  } catch (const Json::exception&) {
    return false;
  }
}

}  // namespace longreach::datasets
