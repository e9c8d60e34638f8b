// `report --watch`: what it serves, to whom, and that it leaves the run alone.
#include "harness/watch.h"

#include <atomic>
#include <catch2/catch.hpp>
#include <chrono>
#include <csignal>
#include <httplib.h>
#include <nlohmann/json.hpp>
#include <sys/prctl.h>
#include <thread>

#include "command.h"
#include "stored.h"

using namespace longreach::harness;
using namespace longreach::tests;
using Catch::Matchers::Contains;
using Clock = std::chrono::steady_clock;

namespace {

/// A watch in a process of its own.
class Watch {
 public:
  explicit Watch(const std::string& folder) {
    int ends[2];
    REQUIRE(pipe(ends) == 0);
    process_ = fork();
    if (process_ == 0) {
      prctl(PR_SET_PDEATHSIG, SIGKILL);  // not to outlive a test that fails
      dup2(ends[1], STDOUT_FILENO);
      execl(LONGREACH_BINARY_DIR "/longreach", "longreach", "report", "--watch", folder.c_str(),
            nullptr);
      _exit(127);
    }
    close(ends[1]);
    for (char c; read(ends[0], &c, 1) == 1 && c != '\n';) line_ += c;
    close(ends[0]);
    constexpr std::string_view kAddress = "http://127.0.0.1:";
    REQUIRE(line_.starts_with(kAddress));
    port_ = std::stoi(line_.substr(kAddress.size()));
  }
  ~Watch() {
    if (process_ > 0) end(SIGKILL);
  }
  Watch(const Watch&) = delete;
  Watch& operator=(const Watch&) = delete;

  /// The exit code after a signal; -1 when the signal ended it.
  int end(int signal) {
    int status = 0;
    kill(process_, signal);
    waitpid(process_, &status, 0);
    process_ = 0;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }
  int port() const { return port_; }
  const std::string& line() const { return line_; }

  httplib::Response get(const std::string& path, const httplib::Headers& headers = {}) const {
    const httplib::Result result = httplib::Client("127.0.0.1", port_).Get(path, headers);
    REQUIRE(result);
    return result.value();
  }
  std::string version() const { return nlohmann::json::parse(get("/version").body)["version"]; }
  /// What is answered to bytes as they are.
  std::string say(const std::string& bytes) const {
    sockaddr_in there{};
    there.sin_family = AF_INET;
    there.sin_port = htons(static_cast<std::uint16_t>(port_));
    there.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const int speaks = socket(AF_INET, SOCK_STREAM, 0);
    REQUIRE(connect(speaks, reinterpret_cast<const sockaddr*>(&there), sizeof there) == 0);
    CHECK(send(speaks, bytes.data(), bytes.size(), MSG_NOSIGNAL) == std::ssize(bytes));
    std::string answer;
    char piece[4096];
    for (ssize_t got; (got = recv(speaks, piece, sizeof piece, 0)) > 0;) {
      answer.append(piece, static_cast<std::size_t>(got));
    }
    close(speaks);
    return answer;
  }

 private:
  pid_t process_ = 0;
  int port_ = 0;
  std::string line_;
};

Store planned(const TempFolder& folder) {
  std::filesystem::create_directory(folder / "out");
  Store store(folder / "out", Store::Open::create);
  store.set_plan({"a", "b", "c"});
  store.set_meta("name", "watched");
  return store;
}

}  // namespace

TEST_CASE("A watch waits for a store, and shows each cell once it is there") {
  const TempFolder folder;
  const Watch watch(folder / "out");
  CHECK_THAT(watch.get("/").body, Contains("Nothing is stored in " + folder / "out" + " yet."));
  CHECK_THAT(watch.get("/version").body, Contains(R"("version": "none", "done": 0, "cells": 0)"));
  CHECK(watch.get("/records.csv").status == 503);

  Store store = planned(folder);
  store.finish(outcome("a", 1.5));
  CHECK_THAT(watch.get("/version").body, Contains(R"("done": 1, "cells": 3)"));
  const std::string before = watch.version();
  const std::string page = watch.get("/").body;
  const auto shown = Clock::now();
  CHECK_THAT(page, Contains("\"watched\"") && Contains("data-version=\"" + before + "\""));
  CHECK_THAT(page, Contains("default-src 'none'; connect-src 'self';"));
  CHECK_THAT(watch.get("/records.csv").body, Contains(",a,") && !Contains(",b,"));
  CHECK(watch.version() == before);  // what is read changes nothing

  store.finish(outcome("b", 2.5));
  const std::string after = watch.version();
  CHECK(after != before);
  CHECK_THAT(watch.get("/version").body, Contains(R"("done": 2, "cells": 3)"));
  // Not at once: a report is made every few seconds at most.
  CHECK_THAT(watch.get("/").body, Contains("data-version=\"" + before + "\""));
  const auto deadline = Clock::now() + std::chrono::seconds(60);
  while (watch.get("/").body.find("data-version=\"" + after) == std::string::npos) {
    REQUIRE(Clock::now() < deadline);
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
  }
  CHECK(Clock::now() - shown > std::chrono::milliseconds(2500));
  CHECK_THAT(watch.get("/records.csv").body, Contains(",b,"));

  std::filesystem::remove_all(folder / "out");  // and begun again
  CHECK(watch.version() == "none");
}

TEST_CASE("What a report that lies in a file says is what is served, but for the live script") {
  const TempFolder folder;
  Store store = planned(folder);
  store.finish(outcome("a", 1.5));
  REQUIRE(run_command("report " + folder / "out").exit_code == 0);
  const std::string file = read_file(folder / "out" + "/report.html");
  CHECK_THAT(file, !Contains("connect-src") && !Contains("data-version"));
  std::string served = Watch(folder / "out").get("/").body;
  const std::string policy = " connect-src 'self';";
  served.erase(served.find(policy), policy.size());
  const std::string icon = "<link rel=\"icon\" href=\"data:,\">\n";
  served.erase(served.find(icon), icon.size());
  const std::size_t script = served.find("<script data-version");
  served.erase(script, served.rfind("</body>") - script);
  CHECK(served == file);
}

TEST_CASE("A watch answers to names of this machine alone, and only reads") {
  const TempFolder folder;
  Store store = planned(folder);
  const Watch watch(folder / "out");
  for (const std::string host : {"localhost", "127.0.0.1:1", "[::1]:8080", "localhost:9"}) {
    CHECK(watch.get("/version", {{"Host", host}}).status == 200);
  }
  for (const std::string host : {"evil.example", "evil.example:80", "localhost.evil.example",
                                 "127.0.0.1.evil.example", "localhost@evil.example", ""}) {
    INFO(host);
    const httplib::Response refused = watch.get("/", {{"Host", host}});
    CHECK(refused.status == 403);
    CHECK(std::count(refused.body.begin(), refused.body.end(), '\n') == 1);
  }
  CHECK_THAT(watch.say("GET /version HTTP/1.0\r\n\r\n"), Contains(" 403 "));
  CHECK_THAT(watch.say("GET / HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n"),
             Contains(" 403 "));
  for (const std::string method : {"POST", "PUT", "DELETE", "OPTIONS", "PATCH"}) {
    CHECK_THAT(watch.say(method + " / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n"),
               Contains(" 405 ") && Contains("Allow: GET, HEAD"));
  }
  CHECK_THAT(watch.say("HEAD /version HTTP/1.1\r\nHost: localhost\r\n\r\n"),
             Contains(" 200 ") && !Contains("done"));
  for (const std::string path : {"/store.sqlite", "/../store.sqlite", "/..%2fstore.sqlite",
                                 "//etc/passwd", "/report.html/../store.sqlite", "/index.html"}) {
    CHECK_THAT(watch.say("GET " + path + " HTTP/1.1\r\nHost: localhost\r\n\r\n"),
               Contains(" 404 ") && !Contains("SQLite"));
  }
  const httplib::Response page = watch.get("/");
  CHECK(page.get_header_value("Cache-Control") == "no-store");
  CHECK(page.get_header_value("X-Content-Type-Options") == "nosniff");
  CHECK(page.get_header_value("X-Frame-Options") == "DENY");
  CHECK(page.get_header_value("Access-Control-Allow-Origin").empty());
}

TEST_CASE("A watch listens on loopback, where a second one on its port is refused") {
  const TempFolder folder;
  const Watch watch(folder / "out");
  CHECK(watch.line() == "http://127.0.0.1:" + std::to_string(watch.port()) + "/ shows " +
                            folder / "out" + " until Ctrl-C");
  const std::string port = fmt::format(":{:04X} ", watch.port());
  CHECK_THAT(read_file("/proc/net/tcp"), Contains("0100007F" + port));  // 127.0.0.1, reversed
  CHECK_THAT(read_file("/proc/net/tcp"), !Contains("00000000" + port));
  CHECK_THAT(read_file("/proc/net/tcp6"), !Contains(port));
  const std::string again =
      "report --watch " + folder / "out" + " --port " + std::to_string(watch.port());
  require_refused(run_command(again, "timeout 20"),
                  "--port " + std::to_string(watch.port()) + ": in use");
  require_refused(run_command("report " + folder / "out" + " --port 1"), "--port requires --watch");
}

TEST_CASE("Ctrl-C ends a watch with 0, whoever holds a connection open") {
  const TempFolder folder;
  Watch watch(folder / "out");
  std::vector<std::unique_ptr<httplib::Client>> idle;
  std::thread holds([&watch] { watch.say("GET / HTTP/1.1\r\n"); });  // and says no more
  std::this_thread::sleep_for(std::chrono::milliseconds(100));
  const auto start = Clock::now();
  CHECK(watch.end(SIGINT) == 0);
  CHECK(Clock::now() - start < std::chrono::seconds(4));
  holds.join();
}

TEST_CASE("A writer at full speed is neither kept waiting nor stopped by those who watch") {
  const TempFolder folder;
  Store store = planned(folder);
  const Watch watch(folder / "out");
  std::atomic<bool> written = false;
  std::atomic<int> served = 0;
  std::vector<std::thread> readers;
  for (const std::string path : {"/", "/version", "/records.csv"}) {
    readers.emplace_back([&, path] {
      while (!written) {
        httplib::Client client("127.0.0.1", watch.port());
        client.set_read_timeout(60);
        if (const auto answer = client.Get(path); answer && answer->status < 500) ++served;
      }
    });
  }
  std::vector<std::string> plan;
  Clock::duration longest{};
  for (int i = 0; i < 300 || served < 20; ++i) {
    REQUIRE(i < 100000);
    plan.push_back(fmt::format("cell {}", i));
    const auto start = Clock::now();
    store.finish(outcome(plan.back(), i));
    longest = std::max(longest, Clock::now() - start);
  }
  store.set_plan(plan);
  written = true;
  for (std::thread& reader : readers) reader.join();
  // SQLite would wait ten seconds for a lock that another holds.
  CHECK(longest < std::chrono::seconds(3));
  CHECK_THAT(watch.get("/version").body,
             Contains(fmt::format(R"("done": {0}, "cells": {0})", plan.size())));
  CHECK(store.read().records.size() == 2 * plan.size());
}
