// The header of the safetensors format (github.com/huggingface/safetensors, README "Format"). A
// header from a stranger is not believed: every length is checked against the file before it is
// used.
#include "model/mapped_tensors.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <tuple>

#include "core/error.h"
#include "core/half.h"
#include "core/linalg.h"
#include "model/json_text.h"

namespace longreach::model {
namespace {

static_assert(std::endian::native == std::endian::little,
              "the format stores little-endian numbers");

constexpr std::uint64_t kMaxHeader = 100'000'000;  // the reference implementation's limit
constexpr int kDepth = 3;                          // header, entry, shape

/// Where a tensor lies in the data section, as its header entry says.
struct Entry {
  std::string name;
  std::vector<i64> shape;
  Dtype dtype = Dtype::f32;
  std::uint64_t begin = 0, end = 0;
};

Dtype parse_dtype(const std::string& dtype, const std::string& where) {
  if (dtype == "F32") return Dtype::f32;
  if (dtype == "F64") return Dtype::f64;
  if (dtype == "F16") return Dtype::f16;
  if (dtype == "BF16") return Dtype::bf16;
  throw error("{}: dtype {}; only F32, F64, F16 and BF16 are read", where, dtype);
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
    entry.dtype = parse_dtype(json.at("dtype").get<std::string>(), where);
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
  const i64 element = bytes_of(entry.dtype);
  const std::uint64_t wanted = checked_bytes(entry.shape, element, where);
  if (entry.end - entry.begin != wanted) {
    throw error("{}: shape [{}] needs {} bytes, its offsets give {}", where,
                fmt::join(entry.shape, ", "), wanted, entry.end - entry.begin);
  }
  if (entry.begin % static_cast<std::uint64_t>(element) != 0) {
    throw error("{}: begins at byte {}, which is not aligned to {}", where, entry.begin, element);
  }
  return entry;
}

/// Entries in file order; the format allows neither overlaps nor gaps.
std::vector<Entry> parse_entries(const Json& header, std::uint64_t data_size,
                                 const std::string& path) {
  std::vector<Entry> entries;
  for (const auto& [name, json] : header.items()) {
    if (name != kMetadataMember) entries.push_back(parse_entry(name, json, data_size, path));
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
  const auto found = header.find(kMetadataMember);
  if (found == header.end()) return metadata;
  if (!found->is_object()) throw error("{}: {} is no JSON object", path, kMetadataMember);
  for (const auto& [key, value] : found->items()) {
    if (!value.is_string()) throw error("{}: {} '{}' is no text", path, kMetadataMember, key);
    metadata[key] = value.get<std::string>();
  }
  return metadata;
}

/// Numbers [first, first + count) as float32. Bytes in files are not aligned, hence the copies.
void read_block(const MappedTensor& tensor, i64 first, i64 count, float* to) {
  const std::byte* from = tensor.bytes.data() + first * bytes_of(tensor.dtype);
  const auto bytes = static_cast<std::size_t>(count * bytes_of(tensor.dtype));
  if (tensor.dtype == Dtype::f32) {
    std::memcpy(to, from, bytes);
  } else if (tensor.dtype == Dtype::f64) {
    for (i64 i = 0; i < count; ++i) {
      double wide = 0;
      std::memcpy(&wide, from + i * bytes_of(Dtype::f64), sizeof(wide));
      to[i] = static_cast<float>(wide);
    }
  } else {
    Halves halves(static_cast<std::size_t>(count));
    std::memcpy(halves.data(), from, bytes);
    widen(halves.data(), tensor.dtype == Dtype::f16 ? Element::f16 : Element::bf16, to, count);
  }
}

}  // namespace

i64 bytes_of(Dtype dtype) {
  if (dtype == Dtype::f64) return 8;
  return dtype == Dtype::f32 ? 4 : 2;
}

void read_numbers(const MappedTensor& tensor, float* to) {
  constexpr i64 kBlock = 1 << 14;
  const i64 count = std::ssize(tensor.bytes) / bytes_of(tensor.dtype);
#pragma omp parallel for schedule(static) if (worth_threads(static_cast <double>(count)))
  for (i64 first = 0; first < count; first += kBlock) {
    read_block(tensor, first, std::min(kBlock, count - first), to + first);
  }
}

MappedTensors map_safetensors(const std::string& path) {
  MappedTensors out{MappedFile(path), {}, {}};
  const std::span<const std::byte> bytes = out.file.bytes();
  std::uint64_t length = 0;
  if (bytes.size() < sizeof(length)) throw error("{}: too short for a safetensors file", path);
  std::memcpy(&length, bytes.data(), sizeof(length));
  const std::span<const std::byte> after_length = bytes.subspan(sizeof(length));
  if (length > after_length.size() || length > kMaxHeader) {
    throw error("{}: claims a header of {} bytes in a file of {}: truncated, or no safetensors",
                path, length, bytes.size());
  }
  const std::string_view text(reinterpret_cast<const char*>(after_length.data()), length);
  const Json header = parse_object(text, path + ": the safetensors header", kDepth);
  out.metadata = parse_metadata(header, path);
  const std::span<const std::byte> data = after_length.subspan(length);
  for (Entry& entry : parse_entries(header, data.size(), path)) {
    out.tensors.push_back({std::move(entry.name), std::move(entry.shape), entry.dtype,
                           data.subspan(entry.begin, entry.end - entry.begin)});
  }
  return out;
}

}  // namespace longreach::model
