// Runs the built binary on a terminal of its own.
#pragma once

#include <cerrno>
#include <csignal>
#include <functional>
#include <pty.h>
#include <string>
#include <sys/wait.h>
#include <unistd.h>
#include <vector>

namespace longreach::tests {

struct OnTerminal {
  int exit_code = -1;
  std::string shown;  ///< every byte that the terminal was sent
};

/// `longreach ARGUMENTS` with all three standard streams on a terminal of so many columns, from the
/// source folder; a shell reads the line, which may set the environment first. `watch` sees what
/// was shown so far and the process, each time that more comes.
inline OnTerminal run_on_terminal(
    unsigned short columns, const std::string& arguments,
    const std::string& environment = "TERM=xterm",
    const std::function<void(const std::string&, pid_t)>& watch = {}) {
  winsize size{};
  size.ws_col = columns;
  size.ws_row = 24;
  const std::string line = "cd " LONGREACH_SOURCE_DIR " && unset NO_COLOR && export " +
                           environment + " && exec " LONGREACH_BINARY_DIR "/longreach " + arguments;
  int terminal = -1;
  const pid_t child = forkpty(&terminal, nullptr, nullptr, &size);
  if (child == 0) {
    execl("/bin/bash", "bash", "-c", line.c_str(), nullptr);
    _exit(127);
  }
  OnTerminal run;
  char bytes[4096];
  for (;;) {
    const ssize_t count = ::read(terminal, bytes, sizeof bytes);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) break;  // EIO once the last process has left
    run.shown.append(bytes, static_cast<std::size_t>(count));
    if (watch) watch(run.shown, child);
  }
  int status = 0;
  waitpid(child, &status, 0);
  close(terminal);
  if (WIFEXITED(status)) run.exit_code = WEXITSTATUS(status);
  return run;
}

/// What a terminal shows in the end, of which only "\r" and "\x1b[K" move or clear anything.
inline std::vector<std::string> screen_after(const std::string& shown) {
  std::vector<std::string> lines{""};
  for (std::size_t i = 0; i < shown.size(); ++i) {
    if (shown.compare(i, 4, "\r\x1b[K") == 0) {
      lines.back().clear();
      i += 3;
    } else if (shown[i] == '\n') {
      lines.emplace_back();
    } else if (shown[i] != '\r') {
      lines.back() += shown[i];
    }
  }
  return lines;
}

/// Each bar that was drawn.
inline std::vector<std::string> bars_in(const std::string& shown) {
  std::vector<std::string> bars;
  const std::string clear = "\r\x1b[K";
  for (std::size_t at = shown.find(clear); at != std::string::npos;) {
    const std::size_t next = shown.find(clear, at + clear.size());
    const std::string piece =
        shown.substr(at + clear.size(),
                     next == std::string::npos ? std::string::npos : next - at - clear.size());
    if (!piece.empty() && piece.find('\n') == std::string::npos) bars.push_back(piece);
    at = next;
  }
  return bars;
}

}  // namespace longreach::tests
