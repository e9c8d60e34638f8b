// The dataset "text" of text.h.
#include "datasets/text.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <numeric>
#include <sstream>

#include "core/error.h"
#include "core/sha256.h"

namespace longreach::datasets {
namespace {

namespace fs = std::filesystem;

std::string read_file(const fs::path& path) {
  std::error_code ignored;  // devices and pipes may never end, and are not there a second time
  if (!fs::is_regular_file(path, ignored)) {
    throw error("text: '{}' is neither a file nor a folder", path.string());
  }
  std::ifstream in(path, std::ios::binary);
  std::string text{std::istreambuf_iterator<char>(in), {}};
  if (!in) throw error("text: cannot read '{}'; is it a file you may open?", path.string());
  return text;
}

std::vector<std::string> read_json_lines(const fs::path& path, const std::string& field) {
  std::vector<std::string> documents;
  std::istringstream lines(read_file(path));
  std::string line;
  for (i64 number = 1; std::getline(lines, line); ++number) {
    if (line.find_first_not_of(" \t\r") == std::string::npos) continue;
    const auto object = nlohmann::json::parse(line, nullptr, /*allow_exceptions=*/false);
    if (!object.is_object()) {
      throw error("{}:{}: not a JSON object; a .jsonl file has one a line", path.string(), number);
    }
    const auto found = object.find(field);
    if (found == object.end() || !found->is_string()) {
      std::vector<std::string> keys;
      for (const auto& item : object.items()) keys.push_back(item.key());
      throw error("{}:{}: no text under '{}'{}", path.string(), number, field,
                  suggestion(field, keys));
    }
    documents.push_back(found->get<std::string>());
  }
  return documents;
}

std::vector<std::string> read_folder(const fs::path& path) {
  std::vector<fs::path> files;
  std::error_code reason;
  fs::directory_iterator folder(path, reason);
  if (reason) throw error("text: cannot list '{}': {}", path.string(), reason.message());
  for (const fs::directory_entry& entry : folder) {
    if (entry.is_regular_file() && !entry.path().filename().string().starts_with('.')) {
      files.push_back(entry.path());
    }
  }
  std::sort(files.begin(), files.end());
  std::vector<std::string> documents;
  for (const fs::path& file : files) documents.push_back(read_file(file));
  return documents;
}

std::string_view stripped(std::string_view text) {
  constexpr std::string_view kSpaces = " \t\r\n\v\f";
  const std::size_t begin = text.find_first_not_of(kSpaces);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(kSpaces) - begin + 1);
}

std::vector<std::string> cut_at(const std::string& separator, std::string_view text) {
  std::vector<std::string> documents;
  while (true) {
    const std::size_t end = text.find(separator);
    documents.emplace_back(stripped(text.substr(0, end)));
    if (end == std::string_view::npos) return documents;
    text.remove_prefix(end + separator.size());
  }
}

i64 total_tokens(const std::vector<std::vector<Token>>& documents) {
  return std::accumulate(
      documents.begin(), documents.end(), i64{0},
      [](i64 sum, const auto& document) { return sum + static_cast<i64>(document.size()); });
}

i64 longest(const std::vector<std::vector<Token>>& documents) {
  std::size_t most = 0;
  for (const auto& document : documents) most = std::max(most, document.size());
  return static_cast<i64>(most);
}

i64 windows(const std::vector<Token>& document, i64 length) {
  return std::max<i64>(0, static_cast<i64>(document.size()) - length + 1);
}

std::string content_sha(const std::vector<std::string>& texts) {
  if (texts.size() == 1) return sha256(texts.front());
  std::string shas;
  for (const std::string& text : texts) shas += sha256(text) + '\n';
  return sha256(shas);
}

}  // namespace

void TextParams::fields(Fields& f) {
  f("path", path, "a file, a folder (a document a file) or a .jsonl file (a document a line)");
  f("held_out", held_out, between(0, 1),
    "share held out for testing, from the end: whole documents if there are several");
  f("field", field, "the key that holds the text of a .jsonl line");
  f("separator", separator,
    "what stands between the documents of a file ('<|endoftext|>'), which are stripped of white "
    "space; nothing: the file is one document");
}

std::vector<std::string> read_documents(const TextParams& params) {
  if (params.path.empty()) throw error("text: no path; name a file, a folder or a .jsonl file");
  const fs::path path = params.path;
  std::error_code ignored;
  if (!fs::exists(path, ignored)) {
    throw error(
        "text: '{}' does not exist (scripts/get-corpora fetches corpora/kjv.txt and "
        "corpora/austen)",
        params.path);
  }
  const bool folder = fs::is_directory(path, ignored), lines = path.extension() == ".jsonl";
  if (!params.separator.empty() && (folder || lines)) {
    throw error("text: '{}' is a {}, whose documents are apart already; leave separator '{}' out",
                params.path, folder ? "folder" : ".jsonl file", params.separator);
  }
  std::vector<std::string> documents;
  if (folder) {
    documents = read_folder(path);
  } else if (lines) {
    documents = read_json_lines(path, params.field);
  } else if (!params.separator.empty()) {
    documents = cut_at(params.separator, read_file(path));
  } else {
    documents.push_back(read_file(path));
  }
  std::erase_if(documents, [](const std::string& document) { return document.empty(); });
  if (documents.empty()) throw error("text: '{}' holds no text", params.path);
  return documents;
}

/// The documents as tokens, held-out ones apart.
struct TextDataset::Parts {
  struct End {
    std::size_t document;
    i64 position;  ///< one past the last token
  };
  Parts(const std::vector<std::string>& texts, double held_out, const Tokenizer&);
  void split_one(double held_out);
  void split_many(double held_out);
  void place_targets();
  i64 size(Split, i64 length) const;

  std::vector<std::vector<Token>> train, test;
  std::vector<End> ends;  ///< of held-out samples, the longest text before it first
  std::string description;
};

TextDataset::TextDataset(const Params& params, const Tokenizer& tokenizer, const Rng& rng)
    : TextDataset(read_documents(params), params.held_out, tokenizer, rng) {}

TextDataset::TextDataset(std::vector<std::string> texts, double held_out,
                         const Tokenizer& tokenizer, const Rng& rng)
    : tokenizer_(tokenizer),
      held_out_(held_out),
      rng_(rng),
      sha_(content_sha(texts)),
      texts_(std::move(texts)) {}

TextDataset::~TextDataset() = default;

const TextDataset::Parts& TextDataset::parts() const {
  std::call_once(once_, [this] {
    parts_ = std::make_unique<const Parts>(texts_, held_out_, tokenizer_);
    texts_ = {};
  });
  return *parts_;
}

std::string TextDataset::description() const { return parts().description; }

TextDataset::Parts::Parts(const std::vector<std::string>& texts, double held_out,
                          const Tokenizer& tokenizer) {
  for (const std::string& text : texts) train.push_back(tokenizer.encode_document(text));
  const i64 tokens = total_tokens(train);
  if (texts.size() == 1) {
    split_one(held_out);
  } else {
    split_many(held_out);
  }
  place_targets();
  description = fmt::format(
      "{} document{}, {} tokens; held out: the last {}, {} tokens", texts.size(),
      texts.size() == 1 ? "" : "s", tokens,
      texts.size() == 1 ? "part by position" : fmt::format("{} by document", test.size()),
      total_tokens(test));
}

/// Moves the end of the lone document to the held-out part.
void TextDataset::Parts::split_one(double held_out) {
  std::vector<Token>& document = train.front();
  const double tail = std::round(held_out * static_cast<double>(document.size()));
  const auto border = document.end() - static_cast<std::ptrdiff_t>(tail);
  test.emplace_back(border, document.end());
  document.erase(border, document.end());
  const auto nothing = [](const auto& part) { return part.empty(); };
  std::erase_if(train, nothing);
  std::erase_if(test, nothing);
}

/// Moves the last documents to the held-out part.
void TextDataset::Parts::split_many(double held_out) {
  const double budget = held_out * static_cast<double>(total_tokens(train));
  const std::size_t least = held_out > 0 ? 1 : 0;
  const std::size_t most = held_out < 1 ? train.size() - 1 : train.size();
  std::size_t count = 0;
  double tokens = 0;
  while (count < most) {
    tokens += static_cast<double>(train[train.size() - 1 - count].size());
    if (count >= least && tokens > budget) break;
    ++count;
  }
  const auto border = train.end() - static_cast<std::ptrdiff_t>(count);
  test.assign(std::make_move_iterator(border), std::make_move_iterator(train.end()));
  train.erase(border, train.end());
}

void TextDataset::Parts::place_targets() {
  for (std::size_t d = 0; d < test.size(); ++d) {
    for (i64 end = static_cast<i64>(test[d].size()); end > 0; end -= kTargetSpacing) {
      ends.push_back({d, end});
    }
  }
  std::stable_sort(ends.begin(), ends.end(),
                   [](const End& a, const End& b) { return a.position > b.position; });
}

i64 TextDataset::Parts::size(Split split, i64 length) const {
  if (split == Split::train) {
    i64 count = 0;
    for (const auto& document : train) count += windows(document, length);
    return count;
  }
  const auto too_short = std::partition_point(
      ends.begin(), ends.end(), [length](const End& end) { return end.position >= length; });
  return too_short - ends.begin();
}

i64 TextDataset::size(Split split, i64 length) const { return parts().size(split, length); }

Sample TextDataset::sample(Split split, i64 index, i64 length) const {
  if (length < 2) throw error("text: {} token(s) do not fit; smallest length is 2", length);
  if (size(split, length) == 0) {
    throw error("text: no {} document has {} tokens; the longest has {} ({})",
                split == Split::train ? "training" : "held-out", length,
                longest(split == Split::train ? parts().train : parts().test), parts().description);
  }
  const std::span<const Token> window =
      split == Split::train ? training_window(index, length) : held_out_window(index, length);
  Sample sample;
  sample.tokens.assign(window.begin(), window.end());
  sample.questions = {{.answer = {1, length - 1}}};
  return sample;
}

std::span<const Token> TextDataset::training_window(i64 index, i64 length) const {
  const auto& train = parts().train;
  i64 start = stream_of(rng_, Split::train, index).below(size(Split::train, length));
  std::size_t d = 0;
  for (; start >= windows(train[d], length); ++d) start -= windows(train[d], length);
  return std::span(train[d]).subspan(static_cast<std::size_t>(start),
                                     static_cast<std::size_t>(length));
}

std::span<const Token> TextDataset::held_out_window(i64 index, i64 length) const {
  if (index < 0 || index >= size(Split::test, length)) {
    throw error("text: held-out sample {} was asked for; of {} tokens there are {}", index, length,
                size(Split::test, length));
  }
  const Parts::End end = parts().ends[static_cast<std::size_t>(index)];
  return std::span(parts().test[end.document])
      .subspan(static_cast<std::size_t>(end.position - length), static_cast<std::size_t>(length));
}

std::vector<std::span<const Token>> TextDataset::documents(Split split) const {
  const auto& part = split == Split::train ? parts().train : parts().test;
  return {part.begin(), part.end()};
}

namespace {
const Registered<DatasetRegistry, TextDataset> registered{
    "text", "Windows of a file, a folder of files or JSON lines"};
}  // namespace

}  // namespace longreach::datasets
