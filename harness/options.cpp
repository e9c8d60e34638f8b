// Every command and option of the command line.
#include "harness/options.h"

#include "core/error.h"

namespace longreach::harness {
namespace {

void add_experiment_options(CLI::App& command, RunRequest& request) {
  command.add_option("config", request.config, "the experiment, a YAML file")->required();
  command
      .add_option("--set", request.overrides.set,
                  "path=value, changes the file: "
                  "models.reader.train.steps=100")
      ->allow_extra_args(false);
  command.add_option("--backends", request.selection.backends, "only these, by name")
      ->delimiter(',')
      ->allow_extra_args(false);
  command.add_option("--tasks", request.selection.tasks, "only these, by name")
      ->delimiter(',')
      ->allow_extra_args(false);
  command.add_option("--models", request.selection.models, "only these, by name")
      ->delimiter(',')
      ->allow_extra_args(false);
  command.add_option("--lengths", request.overrides.lengths, "instead of the file's: 512,1k")
      ->delimiter(',')
      ->allow_extra_args(false);
  command.add_option("--output", request.overrides.output, "folder for everything written");
  command.add_option_function<std::string>(
      "--shard", [&request](const std::string& text) { request.shard = parse_shard(text); },
      "2/8: the second of eight parts, into OUTPUT/shard-2-of-8 (see `merge`)");
}

void add_seed(CLI::App& command, RunRequest& request) {
  command.add_option("--seed", request.overrides.seed, "instead of the file's");
}

void add_table(CLI::App& command, bool& table) {
  command.add_flag("--table", table, "tell every score of every setting, not a summary");
}

/// A manifest takes the place of a file and of all that selects from it or changes it.
void add_from(CLI::App& run, std::string& path) {
  run.get_option("config")->required(false);
  CLI::Option* from = run.add_option("--from", path, "manifest.json of a run: do it again");
  for (const char* flag : {"--set", "--backends", "--tasks", "--models", "--lengths", "--shard",
                           "--seed", "--threads"}) {
    from->excludes(run.get_option(flag));
  }
}

void add_resume(CLI::App& command, RunRequest& request) {
  command.add_flag("!--no-resume", request.options.resume, "run again whatever is stored");
  command
      .add_option_function<std::vector<std::string>>(
          "--retry",
          [&request](const std::vector<std::string>& words) {
            request.options.retry = statuses_to_retry(words);
          },
          "run stored cells again that ended so: failed,oom,timeout,invalid,skipped or all")
      ->delimiter(',')
      ->allow_extra_args(false);
}

void add_run(CLI::App& app, Options& options) {
  CLI::App* run = app.add_subcommand("run", "train and measure what an experiment asks for");
  add_experiment_options(*run, options.run);
  add_seed(*run, options.run);
  run->add_option("--threads", options.run.options.threads, "OpenMP threads of a cell")
      ->check(CLI::Range(1, 4096));
  run->add_option("--limit", options.run.options.limit, "run at most so many cells")
      ->check(CLI::Range(1, 1 << 30));
  add_resume(*run, options.run);
  const char* no_probe = "predict time and memory without running models for a moment first";
  run->add_flag("!--no-probe", options.run.options.probe, no_probe);
  run->add_flag("--fail-fast", options.run.options.fail_fast, "stop at the first cell not ok");
  run->add_flag("--verbose", options.run.verbose, "tell every cell that ends: for logs");
  add_table(*run, options.run.table);
  add_from(*run, options.from);
  CLI::App* train = app.add_subcommand("train", "only train an experiment's models, a line a step");
  add_experiment_options(*train, options.run);
  add_seed(*train, options.run);
  train->add_option("--threads", options.run.options.threads, "OpenMP threads")
      ->check(CLI::Range(1, 4096));
  add_resume(*train, options.run);
  CLI::App* plan =
      app.add_subcommand("plan", "show the cells of an experiment, and predict what they take");
  add_experiment_options(*plan, options.run);
  add_seed(*plan, options.run);
  plan->add_option("--threads", options.run.options.threads, "OpenMP threads of a cell")
      ->check(CLI::Range(1, 4096));
  plan->add_flag("!--no-probe", options.run.options.probe, no_probe);
  CLI::App* report = app.add_subcommand("report", "write the reports of a finished run again");
  report->add_option("output", options.watch.folder, "the run's output folder")->required();
  add_table(*report, options.table);
  CLI::Option* watch = report->add_flag(
      "--watch", options.watches, "serve the report on this machine, renewed while a run goes on");
  watch->excludes(report->get_option("--table"));
  report->add_option("--port", options.watch.port, "of --watch; 0 takes one that is free")
      ->check(CLI::Range(0, 65535))
      ->needs(watch);
}

void add_merge(CLI::App& app, MergeRequest& request) {
  CLI::App* merge = app.add_subcommand("merge", "bring what several runs found into one folder");
  merge->add_option("output", request.output, "where to; may have results already")->required();
  merge->add_option("folders", request.folders, "output folders; without any, the shards in it");
  add_table(*merge, request.table);
}

void add_compare(CLI::App& app, CompareRequest& request) {
  CLI::App* compare = app.add_subcommand(
      "compare", "tell what changed between runs, sample by sample; exit 4 on a regression");
  compare->footer(
      "Example: longreach compare runs/base runs/new --threshold 0.01 --output diff.md");
  compare->add_option("folders", request.folders, "output folders; the first is the base")
      ->required();
  const auto list = [compare](const char* flag, std::vector<std::string>& values, const char* doc) {
    return compare->add_option(flag, values, doc)->delimiter(',')->allow_extra_args(false);
  };
  CLI::Option* backends = list("--backends", request.choice.backends, "only these, by name");
  list("--match", request.matches,
       "base=other: backends of unlike names, also of one run alone: full=infini")
      ->excludes(backends);
  list("--tasks", request.choice.tasks, "only these, by name");
  list("--models", request.choice.models, "only these, by name");
  list("--lengths", request.lengths, "only these: 512,1k");
  list("--metrics", request.choice.metrics, "these instead of each task's main score and timings");
  compare->add_flag("--all", request.choice.all_scores, "every score of the samples");
  compare->add_flag("--depths", request.choice.depths, "each depth of a score as well");
  compare
      ->add_option("--threshold", request.thresholds,
                   "what a regression must exceed: 0.01 (in the score's unit), 2% (of the base), "
                   "passkey/exact_match=0.02; 0 unless told, for timings 10%")
      ->delimiter(',')
      ->allow_extra_args(false);
  compare->add_flag("--across-machines", request.choice.across_machines,
                    "compare timings of unlike machines too");
  compare->add_option("--format", request.format,
                      "table, markdown, html, csv, json; unless told, by the ending of --output");
  compare->add_option("--output", request.output, "write it into this file, whole or not at all");
}

void add_tools(CLI::App& app, Options& options) {
  app.add_subcommand("list", "list backends, metrics, datasets and reports");
  CLI::App* describe = app.add_subcommand(
      "describe", "tell the keys of configurations, all or those of a name in the list");
  CLI::Option* name = describe->add_option("name", options.name, "what to describe");
  describe
      ->add_flag("--schema", options.schema, "print a JSON Schema of configurations for editors")
      ->excludes(name);

  CLI::App* verify = app.add_subcommand("verify", "hold backends against their definitions");
  verify->add_option("--backends", options.verify.backends, "only these types")
      ->delimiter(',')
      ->allow_extra_args(false);
  verify->add_option("--seeds", options.verify.options.seeds, "rounds of random numbers")
      ->check(CLI::Range(1, 10000));
  verify->add_option("--seed", options.verify.options.seed, "of the first round");
  verify
      ->add_option("--set", options.verify.set,
                   "key=value: these parameters instead of many "
                   "variants")
      ->allow_extra_args(false);
  verify->add_flag("--quick", options.verify.options.quick,
                   "one round, fewer shapes, no long stream");

  CLI::App* attend = app.add_subcommand("attend", "run one backend on tensors from a file");
  attend->add_option("--backend", options.attend.backend, "YAML: {infini: {segment: 16}}")
      ->required();
  attend->add_option("--in", options.attend.in, "safetensors with q, k, v, ...")->required();
  attend->add_option("--out", options.attend.out, "safetensors to write")->required();
  attend->add_option("--chunks", options.attend.chunks, "cut the stream: 4,7,5")
      ->delimiter(',')
      ->allow_extra_args(false);
}

void add_models(CLI::App& app, Options& options) {
  CLI::App* import = app.add_subcommand("import", "look into weights that others trained");
  import->add_option("path", options.import.path, "a llama2.c .bin file or a Hugging Face folder")
      ->required();
  import->add_option("--tokenizer", options.import.tokenizer,
                     "tokenizer.bin, tokenizer.model, tokenizer.json, or bytes");

  GenerateRequest& request = options.generate;
  CLI::App* generate = app.add_subcommand("generate", "continue a text");
  CLI::Option* imported =
      generate->add_option("--import", request.import, "instead of an experiment: as of `import`");
  // Not excluded by --import: what follows a misspelt flag would be taken for it, and blamed.
  generate->add_option("config", request.run.config, "an experiment that has trained the model");
  const auto of_experiment = [&](const char* flag, std::vector<std::string>& values,
                                 const char* doc) {
    generate->add_option(flag, values, doc)->allow_extra_args(false)->excludes(imported);
  };
  of_experiment("--set", request.run.overrides.set, "path=value, changes the experiment");
  of_experiment("--models", request.run.selection.models, "which of its models");
  of_experiment("--backends", request.run.selection.backends, "under which of its backends");
  generate->add_option("--output", request.run.overrides.output, "where it was trained")
      ->excludes(imported);
  generate->add_option("--tokenizer", request.tokenizer, "of the import")->needs(imported);
  generate->add_option("--backend", request.backend, "of the import: a name, or YAML")
      ->needs(imported);
  CLI::Option* prompt = generate->add_option("--prompt", request.prompt, "what to continue");
  generate->add_option("--prompt-file", request.prompt_file, "the same in a file; - reads stdin")
      ->excludes(prompt);
  generate->add_option("--tokens", request.tokens, "most to generate")
      ->check(CLI::Range(1, 1 << 30));
  generate
      ->add_option("--temperature", request.sampling.temperature,
                   "divides the logits; 0 takes the likeliest token")
      ->check(CLI::Range(0.0, 1e6));
  generate
      ->add_option("--top-p", request.sampling.top_p,
                   "draw among the likeliest tokens that make up so much")
      ->check(CLI::Range(0.0, 1.0));
  generate->add_option("--seed", request.sampling.seed, "of the draws")
      ->check(CLI::Range(0, 1 << 30));
  generate->add_option("--threads", options.run.options.threads, "OpenMP threads")
      ->check(CLI::Range(1, 4096));
}

void add_bench(CLI::App& app, BenchRequest& request) {
  CLI::App* bench = app.add_subcommand("bench", "time backends beside what the machine can do");
  bench->add_option("config", request.config, "sweeps, a YAML file with a list `bench`");
  bench
      ->add_option("--backend", request.backends,
                   "a name, or YAML: {infini: {segment: 1k}}; may be given again")
      ->allow_extra_args(false);
  const auto list = [bench](const char* flag, std::vector<std::string>& values, const char* doc) {
    bench->add_option(flag, values, doc)->delimiter(',')->allow_extra_args(false);
  };
  list("--phases", request.phases, "forward,backward,forward_backward,decode");
  list("--lengths", request.lengths, "tokens: 1k,4k");
  list("--head-sizes", request.head_sizes, "64,128");
  list("--groups", request.groups, "query heads that share a key/value head: 1,4");
  list("--threads", request.threads, "1,2");
  bench->add_option("--heads", request.heads, "query heads")->check(CLI::Range(1, 4096));
  bench->add_option("--batch", request.batch, "independent streams")->check(CLI::Range(1, 4096));
  bench->add_option("--rounds", request.rounds, "quiet rounds wanted of each case")
      ->check(CLI::Range(1, 1000));
  bench->add_option("--seed", request.seed, "of the inputs");
  bench->add_option("--json", request.json, "write Google Benchmark's JSON here");
  bench->add_option("--csv", request.csv, "write one row a case here");
}

void add_cell(CLI::App& app, Options& options) {
  CLI::App* cell = app.add_subcommand("cell", "")->group("");  // hidden: `run` starts these
  cell->add_option("--result-fd", options.cell.result_fd)->required();
  cell->add_flag("--tell-steps", options.cell.tell_steps);
}

/// Before the command's name and after it, of every command.
void add_plugin(CLI::App& app, std::vector<std::string>& plugins) {
  std::vector<CLI::App*> places = app.get_subcommands([](const CLI::App*) { return true; });
  places.push_back(&app);
  for (CLI::App* place : places) {
    place
        ->add_option_function<std::vector<std::string>>(
            "--plugin",
            [&plugins](const std::vector<std::string>& paths) {
              plugins.insert(plugins.end(), paths.begin(), paths.end());
            },
            "a shared library with further backends, ...; may be given again")
        ->allow_extra_args(false);
  }
}

}  // namespace

void add_commands(CLI::App& app, Options& options) {
  add_run(app, options);
  add_merge(app, options.merge);
  add_compare(app, options.compare);
  add_export(app, options.exports);
  add_tools(app, options);
  add_bench(app, options.bench);
  add_models(app, options);
  add_cell(app, options);
  add_plugin(app, options.plugins);
}

}  // namespace longreach::harness
