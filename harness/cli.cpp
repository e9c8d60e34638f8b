// The command line: what its commands call, and exit codes.
#include "harness/cli.h"

#include <CLI/CLI.hpp>
#include <csignal>
#include <iostream>
#include <omp.h>
#include <poll.h>
#include <unistd.h>

#include "core/atomic_file.h"
#include "core/error.h"
#include "harness/catalogue.h"
#include "harness/help.h"
#include "harness/options.h"
#include "harness/plugin.h"
#include "harness/schema.h"
#include "harness/terminal.h"

namespace longreach::harness {
namespace {

std::string joined(int argc, char** argv) {
  std::string text = "longreach";
  for (int i = 1; i < argc; ++i) {
    const std::string word = argv[i];
    const bool plain = word.find_first_of(" \t\n'\"\\$&|;<>()*?[]{}~#!`") == std::string::npos;
    text += plain && !word.empty() ? " " + word : " '" + word + "'";
  }
  return text;
}

/// What a run works from: a file, or a manifest, which names plugins too.
void take_source(Options& options) {
  RunRequest& run = options.run;
  if (run.config.empty() == options.from.empty()) {
    throw error("run needs an experiment, a YAML file, or --from and the manifest.json of a run{}",
                run.config.empty() ? "" : ", not both");
  }
  if (options.from.empty()) return;
  run.recipe = read_recipe(options.from);
  run.selection = run.recipe->selection;
  run.shard = run.recipe->shard;
  run.options.threads = run.recipe->threads;
  options.plugins = plugins_of(*run.recipe, std::move(options.plugins));
}

int complain(const std::string& message);

/// A disk that takes nothing more stops a run, and is no mistake in its command line.
template <class Run>
int until_disk_fails(const Run& run) {
  try {
    return run();
  } catch (const WriteError& failure) {
    complain(failure.what());
    return kExitCellFailed;
  }
}

int dispatch(const CLI::App& app, Options& options) {
  if (app.got_subcommand("run")) take_source(options);
  options.run.options.plugins = load_plugins(options.plugins);
  if (app.got_subcommand("run")) {
    return until_disk_fails([&] { return run_command(options.run, std::cout, std::cerr); });
  }
  if (app.got_subcommand("train")) {
    return until_disk_fails([&] { return train_command(options.run, std::cout, std::cerr); });
  }
  if (app.got_subcommand("generate")) {
    if (options.run.options.threads > 0) {
      omp_set_num_threads(static_cast<int>(options.run.options.threads));
    }
    return generate_command(options.generate, std::cout, std::cerr);
  }
  if (app.got_subcommand("plan")) return plan_command(options.run, std::cout);
  if (app.got_subcommand("report")) {
    return options.watches ? watch_command(options.watch, std::cout)
                           : report_command(options.watch.folder, options.table, std::cout);
  }
  if (app.got_subcommand("merge")) return merge_command(options.merge, std::cout);
  if (app.got_subcommand("export")) {
    return until_disk_fails([&] { return export_command(options.exports, std::cout); });
  }
  if (app.got_subcommand("compare")) {
    return until_disk_fails([&] { return compare_command(options.compare, std::cout, std::cerr); });
  }
  if (app.got_subcommand("cell")) return cell_command(options.cell);
  if (app.got_subcommand("import")) {
    import_command(options.import, std::cout);
  } else if (app.got_subcommand("list")) {
    std::cout << list_all();
  } else if (app.got_subcommand("describe")) {
    std::cout << (options.schema         ? configuration_schema()
                  : options.name.empty() ? describe_all()
                                         : describe_name(options.name));
  } else if (app.got_subcommand("attend")) {
    attend(options.attend);
  } else if (app.got_subcommand("bench")) {
    bench(options.bench, [](const std::string& text) { std::cout << text << std::flush; });
  } else if (app.got_subcommand("verify")) {
    const bool passed = verify_backends(
        options.verify, [](const std::string& line) { std::cout << line << std::flush; });
    return passed ? kExitOk : kExitInvalid;
  }
  return kExitOk;
}

/// What to say when the first word is no command; "" when it is one or there is none.
std::string unknown_command(const CLI::App& app, int argc, char** argv) {
  if (argc < 2 || argv[1][0] == '-') return "";
  std::vector<std::string> known;
  for (const CLI::App* command : app.get_subcommands([](const CLI::App*) { return true; })) {
    if (command->get_name() == argv[1]) return "";
    if (!command->get_group().empty()) known.push_back(command->get_name());
  }
  return fmt::format("unknown command '{}'{}", argv[1], suggestion(argv[1], known));
}

/// Whether standard output is a pipe that nobody reads any more: they have seen enough.
bool reader_left() {
  pollfd out{.fd = STDOUT_FILENO, .events = POLLOUT, .revents = 0};
  return poll(&out, 1, 0) > 0 && (out.revents & POLLERR) != 0;
}

int complain(const std::string& message) {
  std::string text = "longreach: ";
  for (const char c : printable(message, "\n")) {
    text += c;
    if (c == '\n') text += "longreach: ";
  }
  std::cerr << text << std::endl;
  return kExitUsage;
}

}  // namespace

int command_line(int argc, char** argv) {
  std::signal(SIGPIPE, SIG_IGN);  // a reader that leaves is no reason to lose a run
  try {
    CLI::App app{"Longreach measures how far attention reaches, and what that reach costs."};
    app.require_subcommand(1);
    app.set_version_flag("--version", "longreach " + version());
    Options options;
    options.run.command = options.merge.command = options.compare.command = joined(argc, argv);
    add_commands(app, options);
    add_examples(app);
    try {
      app.parse(argc, argv);
    } catch (const CLI::Success& asked) {
      return app.exit(asked);
    } catch (const CLI::ParseError& failure) {
      if (const std::string unknown = unknown_command(app, argc, argv); !unknown.empty()) {
        return complain(unknown);
      }
      if (const std::string unknown = unknown_option(app); !unknown.empty()) {
        return complain(fmt::format("{} ({})", unknown, where_to_look(app)));
      }
      return complain(fmt::format("{} ({})", failure.what(), where_to_look(app)));
    }
    const int code = dispatch(app, options);
    std::cout.flush();
    if (!std::cout && !reader_left()) {
      return complain("standard output cannot be written; is its disk full?");
    }
    return code;
  } catch (const std::bad_alloc&) {
    return complain("out of memory");
  } catch (const std::exception& failure) {
    return complain(failure.what());
  }
}

}  // namespace longreach::harness
