// The safetensors format (github.com/huggingface/safetensors, README "Format"). A header from a
// stranger is not believed: every length is checked against the file before it is used.
#include "model/safetensors.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <fstream>
#include <functional>
#include <nlohmann/json.hpp>
#include <set>

#include "core/error.h"
#include "core/half.h"
#include "model/atomic_file.h"

namespace longreach::model {
namespace {

using Json = nlohmann::json;

static_assert(std::endian::native == std::endian::little,
              "the format stores little-endian numbers");

constexpr std::uint64_t kMaxHeader = 100'000'000;  // the reference implementation's limit
constexpr const char* kMetadata = "__metadata__";

/// Where a tensor lies in the data section, as its header entry says.
struct Entry {
  std::string name;
  std::vector<i64> shape;
  std::string dtype;
  i64 element = 0;  ///< bytes
  std::uint64_t begin = 0, end = 0;
};

/// Parses the header; refuses names that repeat and nesting that the format does not have.
Json parse_header(const std::string& text, const std::string& path) {
  constexpr int kDepth = 3;  // header, entry, shape
  std::set<std::string> names;
  std::string problem;
  const auto look = [&](int depth, Json::parse_event_t event, Json& parsed) {
    const bool opens =
        event == Json::parse_event_t::object_start || event == Json::parse_event_t::array_start;
    if (opens && depth >= kDepth) problem = "nests too deep";
    if (event == Json::parse_event_t::key && depth == 1) {
      const std::string name = parsed.get<std::string>();
      if (!names.insert(name).second) problem = fmt::format("names '{}' twice", name);
    }
    return problem.empty();
  };
  try {
    Json header = Json::parse(text, look);
    if (!problem.empty()) throw error("{}: the safetensors header {}", path, problem);
    if (!header.is_object()) throw error("{}: the safetensors header is no JSON object", path);
    return header;
  } catch (const Json::exception& bad) {
    throw error("{}: the safetensors header is not valid JSON ({})", path, bad.what());
  }
}

i64 element_bytes(const std::string& dtype, const std::string& where) {
  if (dtype == "F32") return 4;
  if (dtype == "F64") return 8;
  if (dtype == "F16" || dtype == "BF16") return 2;
  throw error("{}: dtype {}; only F32, F64, F16 and BF16 are read", where, dtype);
}

std::string_view dtype_of(Element element) {
  if (element == Element::f32) return "F32";
  return element == Element::f16 ? "F16" : "BF16";
}

/// Elements of a shape times `element`, or an Error when that is no length a file can have.
std::uint64_t checked_bytes(const std::vector<i64>& shape, i64 element, const std::string& where) {
  i64 bytes = element;
  for (const i64 extent : shape) {
    if (extent < 0 || __builtin_mul_overflow(bytes, extent, &bytes)) {
      throw error("{}: the shape [{}] is no possible size", where, fmt::join(shape, ", "));
    }
  }
  return static_cast<std::uint64_t>(bytes);
}

Entry parse_entry(const std::string& name, const Json& json, std::uint64_t data_size,
                  const std::string& path) {
  const std::string where = fmt::format("{}: tensor '{}'", path, name);
  Entry entry;
  entry.name = name;
  try {
    entry.dtype = json.at("dtype").get<std::string>();
    entry.element = element_bytes(entry.dtype, where);
    for (const Json& extent : json.at("shape")) {
      if (!extent.is_number_unsigned() || extent.get<std::uint64_t>() > INT64_MAX) {
        throw error("{}: a dimension is {}; it must be a whole number", where, extent.dump());
      }
      entry.shape.push_back(extent.get<i64>());
    }
    const Json& offsets = json.at("data_offsets");
    if (offsets.size() != 2 || !offsets.at(0).is_number_unsigned() ||
        !offsets.at(1).is_number_unsigned()) {
      throw error("{}: data_offsets must be two whole numbers", where);
    }
    entry.begin = offsets.at(0).get<std::uint64_t>();
    entry.end = offsets.at(1).get<std::uint64_t>();
  } catch (const Json::exception& bad) {
    throw error("{}: malformed entry ({})", where, bad.what());
  }
  if (entry.begin > entry.end || entry.end > data_size) {
    throw error("{}: bytes {} to {} are not in the file, which holds {} bytes of data: truncated?",
                where, entry.begin, entry.end, data_size);
  }
  const std::uint64_t wanted = checked_bytes(entry.shape, entry.element, where);
  if (entry.end - entry.begin != wanted) {
    throw error("{}: shape [{}] needs {} bytes, its offsets give {}", where,
                fmt::join(entry.shape, ", "), wanted, entry.end - entry.begin);
  }
  if (entry.begin % static_cast<std::uint64_t>(entry.element) != 0) {
    throw error("{}: begins at byte {}, which is not aligned to {}", where, entry.begin,
                entry.element);
  }
  return entry;
}

/// Entries in file order; the format allows neither overlaps nor gaps.
std::vector<Entry> parse_entries(const Json& header, std::uint64_t data_size,
                                 const std::string& path) {
  std::vector<Entry> entries;
  for (const auto& [name, json] : header.items()) {
    if (name != kMetadata) entries.push_back(parse_entry(name, json, data_size, path));
  }
  std::ranges::sort(entries, [](const Entry& a, const Entry& b) {
    return std::tie(a.begin, a.end) < std::tie(b.begin, b.end);
  });
  std::uint64_t expected = 0;
  for (const Entry& entry : entries) {
    if (entry.begin != expected) {
      throw error("{}: tensor '{}' begins at byte {}, the one before it ends at {}", path,
                  entry.name, entry.begin, expected);
    }
    expected = entry.end;
  }
  if (expected != data_size) {
    throw error("{}: the tensors end at byte {} of {} bytes of data", path, expected, data_size);
  }
  return entries;
}

std::map<std::string, std::string> parse_metadata(const Json& header, const std::string& path) {
  std::map<std::string, std::string> metadata;
  const auto found = header.find(kMetadata);
  if (found == header.end()) return metadata;
  if (!found->is_object()) throw error("{}: {} is no JSON object", path, kMetadata);
  for (const auto& [key, value] : found->items()) {
    if (!value.is_string()) throw error("{}: {} '{}' is no text", path, kMetadata, key);
    metadata[key] = value.get<std::string>();
  }
  return metadata;
}

void read_bytes(std::ifstream& in, void* to, std::uint64_t count, const std::string& path) {
  in.read(static_cast<char*>(to), static_cast<std::streamsize>(count));
  if (!in) throw error("{}: cannot be read to its end: truncated?", path);
}

Tensor read_tensor(std::ifstream& in, const Entry& entry, const std::string& path) {
  Tensor tensor(entry.shape);
  const std::span<float> values = tensor.flat();
  if (entry.element == sizeof(float)) {
    read_bytes(in, values.data(), entry.end - entry.begin, path);
    return tensor;
  }
  if (entry.element == sizeof(Half)) {
    Halves halves(values.size());
    read_bytes(in, halves.data(), entry.end - entry.begin, path);
    widen(halves.data(), entry.dtype == "F16" ? Element::f16 : Element::bf16, values.data(),
          tensor.size());
    return tensor;
  }
  std::vector<double> wide(values.size());
  read_bytes(in, wide.data(), entry.end - entry.begin, path);
  std::ranges::transform(wide, values.begin(), [](double v) { return static_cast<float>(v); });
  return tensor;
}

}  // namespace

const Tensor* TensorFile::find(std::string_view name) const {
  const auto found = std::ranges::find(tensors, name, &NamedTensor::name);
  return found == tensors.end() ? nullptr : &found->tensor;
}

TensorFile read_safetensors(const std::string& path) {
  std::ifstream in(path, std::ios::binary | std::ios::ate);
  if (!in) throw error("{}: cannot be opened: {}", path, std::strerror(errno));
  const std::streamoff end = in.tellg();
  if (end < 8) throw error("{}: too short for a safetensors file", path);
  const std::uint64_t after_length = static_cast<std::uint64_t>(end) - 8;
  in.seekg(0);
  std::uint64_t length = 0;
  read_bytes(in, &length, sizeof(length), path);
  if (length > after_length || length > kMaxHeader) {
    throw error("{}: claims a header of {} bytes in a file of {}: truncated, or no safetensors",
                path, length, end);
  }
  std::string text(length, '\0');
  read_bytes(in, text.data(), length, path);

  const Json header = parse_header(text, path);
  TensorFile file;
  file.metadata = parse_metadata(header, path);
  for (const Entry& entry : parse_entries(header, after_length - length, path)) {
    file.tensors.push_back({entry.name, read_tensor(in, entry, path)});
  }
  return file;
}

void write_safetensors(const std::string& path, const TensorFile& file) {
  Json header = Json::object();
  if (!file.metadata.empty()) header[kMetadata] = file.metadata;
  // The widest elements first, so that every tensor begins aligned.
  std::vector<const NamedTensor*> order;
  for (const NamedTensor& named : file.tensors) order.push_back(&named);
  std::ranges::stable_sort(order, std::greater(), [](const NamedTensor* named) {
    return bytes_of(named->tensor.element());
  });
  i64 offset = 0;
  for (const NamedTensor* tensor : order) {
    const NamedTensor& named = *tensor;
    check(named.name != kMetadata && !header.contains(named.name), "tensor names must differ");
    const i64 end = offset + named.tensor.bytes();
    header[named.name] = {{"dtype", dtype_of(named.tensor.element())},
                          {"shape", named.tensor.shape()},
                          {"data_offsets", {offset, end}}};
    offset = end;
  }
  std::string text = header.dump();
  text.resize((text.size() + 7) / 8 * 8, ' ');  // tensors start aligned

  AtomicFile out(path);
  const std::uint64_t length = text.size();
  out.write(&length, sizeof(length));
  out.write(text.data(), text.size());
  for (const NamedTensor* named : order) {
    out.write(named->tensor.data(), static_cast<std::size_t>(named->tensor.bytes()));
  }
  out.commit();
}

}  // namespace longreach::model
