// The report of a run that goes on, served on loopback alone.
#include "harness/watch.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <httplib.h>
#include <semaphore>
#include <string_view>
#include <sys/resource.h>
#include <thread>
#include <unistd.h>

#include "core/error.h"
#include "harness/cli.h"
#include "harness/interrupt.h"
#include "harness/live_report.h"

namespace longreach::embedded {
std::string_view live_js();
}

namespace longreach::harness {
namespace {

constexpr const char* kLoopback = "127.0.0.1";
constexpr std::size_t kThreads = 4;
constexpr std::ptrdiff_t kConnections = 32;
constexpr time_t kPatience = 5;  ///< seconds for a client to say or take something
constexpr std::size_t kLongestBody = 1024;
constexpr std::chrono::milliseconds kLook{50};
constexpr std::chrono::seconds kFarewell{1};

/// A few threads, and no more connections at a time than they can soon answer: further ones wait in
/// the kernel's short queue.
class FewAtATime final : public httplib::TaskQueue {
 public:
  void enqueue(std::function<void()> answer) override {
    places_.acquire();
    pool_.enqueue([this, answer = std::move(answer)] {
      answer();
      places_.release();
    });
  }
  void shutdown() override { pool_.shutdown(); }

 private:
  std::counting_semaphore<kConnections> places_{kConnections};
  httplib::ThreadPool pool_{kThreads};
};

std::string escaped_html(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const bool plain = std::string_view("<>&\"'").find(c) == std::string_view::npos;
    out += plain ? std::string(1, c) : fmt::format("&#{};", static_cast<int>(c));
  }
  return out;
}

/// The report with the script that renews it, which may ask this server and nobody else.
std::string live_page(std::string page, const std::string& version) {
  constexpr std::string_view kPolicy = "default-src 'none';";
  const std::size_t policy = page.find(kPolicy);
  check(policy != std::string::npos, "the page has a policy that forbids what it does not name");
  page.insert(policy + kPolicy.size(), " connect-src 'self';");
  const std::size_t head = page.find("</head>");
  check(head != std::string::npos, "the page has a head");
  page.insert(head, "<link rel=\"icon\" href=\"data:,\">\n");  // else browsers ask for one
  const std::size_t end = page.rfind("</body>");
  check(end != std::string::npos, "the page has a body");
  page.insert(end, fmt::format("<script data-version=\"{}\">{}</script>\n", escaped_html(version),
                               embedded::live_js()));
  return page;
}

std::string waiting_page(const std::string& problem) {
  return live_page(
      fmt::format(
          "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
          "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; script-src "
          "'unsafe-inline'; style-src 'unsafe-inline'; img-src data:\">\n"
          "<meta name=\"color-scheme\" content=\"light dark\">\n<title>Longreach report</title>\n"
          "</head>\n<body>\n<h1>Waiting for results</h1>\n<p>{}</p>\n"
          "<p>This page shows the report once there is one.</p>\n</body>\n</html>\n",
          escaped_html(problem)),
      "none");
}

/// "localhost:8080" -> "localhost", "[::1]:8080" -> "[::1]".
std::string_view name_in(std::string_view host) {
  const std::size_t colon = host.rfind(':');
  const bool has_port = colon != std::string_view::npos &&
                        host.find_first_not_of("0123456789", colon + 1) == std::string_view::npos;
  return has_port ? host.substr(0, colon) : host;
}

/// A page from elsewhere can have its own name resolved to loopback; it cannot change what the
/// browser says that it asked for.
bool asks_for_loopback(const httplib::Request& request) {
  constexpr std::array<std::string_view, 3> kNames{"localhost", kLoopback, "[::1]"};
  if (request.get_header_value_count("Host") != 1) return false;
  const std::string host = request.get_header_value("Host");
  return std::ranges::find(kNames, name_in(host)) != kNames.end();
}

using Response = httplib::Response;

void say(Response& response, int status, const std::string& line) {
  response.status = status;
  response.set_content("longreach: " + line + "\n", "text/plain; charset=utf-8");
}

/// What is refused before anything is looked at.
httplib::Server::HandlerResponse guard(const httplib::Request& request, Response& response) {
  using Handled = httplib::Server::HandlerResponse;
  if (!asks_for_loopback(request)) {
    say(response, 403, "served to localhost, 127.0.0.1 and [::1] alone");
    return Handled::Handled;
  }
  if (request.method != "GET" && request.method != "HEAD") {
    response.set_header("Allow", "GET, HEAD");
    say(response, 405, "only to be read");
    return Handled::Handled;
  }
  return Handled::Unhandled;
}

void add_pages(httplib::Server& server, LiveReport& live) {
  server.Get("/", [&live](const httplib::Request&, Response& response) {
    const LiveReport::Made made = live.report("html");
    response.set_content(
        made.problem.empty() ? live_page(made.text, made.of.version) : waiting_page(made.problem),
        "text/html; charset=utf-8");
  });
  server.Get("/version", [&live](const httplib::Request&, Response& response) {
    const LiveReport::State now = live.state();
    response.set_content(fmt::format(R"({{"version": "{}", "done": {}, "cells": {}}})", now.version,
                                     now.done, now.cells),
                         "application/json");
  });
  server.Get("/records.csv", [&live](const httplib::Request&, Response& response) {
    const LiveReport::Made made = live.report("csv");
    if (!made.problem.empty()) return say(response, 503, made.problem);
    response.set_content(made.text, "text/csv; charset=utf-8");
  });
  server.set_error_handler([](const httplib::Request&, Response& response) {
    if (response.body.empty()) say(response, response.status, "no such page");
  });
  server.set_exception_handler([](const httplib::Request&, Response& response, std::exception_ptr) {
    say(response, 500, "this page could not be made");
  });
}

void harden(httplib::Server& server) {
  server.new_task_queue = [] { return new FewAtATime; };
  server.set_pre_routing_handler(guard);
  server.set_keep_alive_max_count(1);  // an idle connection would hold a thread
  server.set_read_timeout(kPatience);
  server.set_write_timeout(kPatience);
  server.set_payload_max_length(kLongestBody);
  // As it comes, the library would share a port that another program listens on.
  server.set_socket_options([](socket_t socket) {
    const int yes = 1;
    setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
  });
  server.set_default_headers({{"Cache-Control", "no-store"},
                              {"X-Content-Type-Options", "nosniff"},
                              {"X-Frame-Options", "DENY"},
                              {"Content-Security-Policy", "frame-ancestors 'none'"},
                              {"Referrer-Policy", "no-referrer"},
                              {"Cross-Origin-Resource-Policy", "same-origin"},
                              {"Cross-Origin-Opener-Policy", "same-origin"}});
}

/// The port that it has then.
i64 bind(httplib::Server& server, i64 port) {
  if (port == 0) {
    const int any = server.bind_to_any_port(kLoopback);
    if (any > 0) return any;
    throw error("{}: no port can be had there", kLoopback);
  }
  if (server.bind_to_port(kLoopback, static_cast<int>(port))) return port;
  throw error("--port {}: in use, or not allowed; --port 0 takes one that is free", port);
}

/// Until an interrupt; whoever does not let go of a connection then is not waited for.
void serve(httplib::Server& server) {
  std::atomic<bool> ended = false;
  std::thread listener([&] {
    server.listen_after_bind();
    ended = true;
  });
  while (!ended && (interrupt_requested() == 0 || !server.is_running())) {
    std::this_thread::sleep_for(kLook);
  }
  server.stop();
  for (auto left = kFarewell / kLook; left > 0 && !ended; --left) {
    std::this_thread::sleep_for(kLook);
  }
  if (!ended) _exit(kExitOk);
  listener.join();
  if (interrupt_requested() == 0) throw error("{}: cannot be listened on any more", kLoopback);
}

}  // namespace

int watch_command(const WatchRequest& request, std::ostream& out) {
  LiveReport live(request.folder);
  httplib::Server server;
  harden(server);
  add_pages(server, live);
  const i64 port = bind(server, request.port);
  catch_interrupts();
  setpriority(PRIO_PROCESS, 0, 5);  // cells may be timed on this machine
  out << fmt::format("http://{}:{}/ shows {} until Ctrl-C\n", kLoopback, port, request.folder)
      << std::flush;
  serve(server);
  return kExitOk;
}

}  // namespace longreach::harness
