// Importing beside the formats: which it is, whether a model fits, and the weights into it.
#include "model/import.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <map>

#include "core/error.h"
#include "core/sha256.h"
#include "model/import_sources.h"

namespace longreach::model {
namespace {

/// Throws for a number outside its range.
class RequireRanges final : public Fields {
 public:
  explicit RequireRanges(const std::string& where) : where_(where) {}
  void operator()(std::string_view key, i64& value, Range range, std::string_view) override {
    require(key, value, static_cast<double>(value), range);
  }
  void operator()(std::string_view key, double& value, Range range, std::string_view) override {
    require(key, value, value, range);
  }
  void operator()(std::string_view, bool&, std::string_view) override {}
  void operator()(std::string_view, std::string&, std::string_view) override {}
  void operator()(std::string_view, std::vector<double>&, Range, std::string_view) override {}
  void operator()(std::string_view, std::vector<i64>&, Range, std::string_view) override {}

 protected:
  void choice(std::string_view, std::size_t&, std::span<const std::string_view>,
              std::string_view) override {}
  void group(std::string_view, std::string_view, const Visit& visit) override { visit(*this); }
  void optional_group(std::string_view, bool& present, std::string_view,
                      const Visit& visit) override {
    if (present) visit(*this);
  }

 private:
  template <class T>
  void require(std::string_view key, T shown, double value, Range range) const {
    if (value >= range.min && value <= range.max) return;
    if (std::isinf(range.max)) {
      throw error("{}: {} is {}; at least {} is needed", where_, key, shown, range.min);
    }
    throw error("{}: {} is {}; {} to {} will do", where_, key, shown, range.min, range.max);
  }

  const std::string& where_;
};

ImportedFiles open_files(const std::string& path) {
  const std::filesystem::path name(path);
  std::error_code unknown;  // what cannot be looked at cannot be opened either, which says why
  if (std::filesystem::is_directory(name, unknown)) return open_huggingface(path);
  if (name.extension() == ".safetensors") {
    throw error("{}: has no headers; give the folder that holds it and its config.json", path);
  }
  return open_llama2c(path);
}

std::string text_of(const Architecture& architecture) {
  return fmt::format("vocabulary: {}, {}", architecture.vocabulary, canonical(architecture));
}

}  // namespace

void require_ranges(const std::function<void(Fields&)>& visit, const std::string& where) {
  RequireRanges fields(where);
  visit(fields);
}

Architecture checked(const Architecture& architecture, const std::string& where) {
  Architecture a = architecture;
  require_ranges([&](Fields& fields) { a.fields(fields); }, where);
  try {
    return a.resolved();
  } catch (const Error& misfit) {
    throw error("{}: {}", where, misfit.what());
  }
}

ImportedModel read_model_headers(const std::string& path) { return open_files(path).headers; }

void import_weights(const std::string& path, Transformer& model) {
  const ImportedFiles files = open_files(path);
  const std::string held = text_of(files.headers.architecture);
  const std::string wanted = text_of(model.architecture());
  if (held != wanted) throw error("{}: holds {{{}}}; the model is {{{}}}", path, held, wanted);
  std::map<std::string, const Parameter*> parameters;
  for (const Parameter& parameter : model.parameters()) parameters[parameter.name] = &parameter;
  for (const ImportSource& source : files.sources) {
    const Parameter* parameter = parameters[source.parameter];
    check(parameter != nullptr && parameter->shape == source.tensor.shape,
          "equal architectures have equal parameters");
    float* to = model.weights().data() + parameter->offset;
    read_numbers(source.tensor, to);
    MappedFile::release(source.tensor.bytes);
    require_finite(to, parameter->size,
                   fmt::format("{}: tensor '{}'", source.file, source.tensor.name));
  }
}

std::string imported_sha(const ImportedModel& imported) {
  Sha256 sum;
  for (const std::string& path : imported.files) {
    constexpr std::size_t kBlock = 1 << 24;
    const MappedFile file(path);
    for (std::span<const std::byte> rest = file.bytes(); !rest.empty();) {
      const std::span<const std::byte> block = rest.first(std::min(kBlock, rest.size()));
      sum.add(block);
      MappedFile::release(block);
      rest = rest.subspan(block.size());
    }
  }
  return sum.hex();
}

}  // namespace longreach::model
