// A blocking connection to a Unix socket with a deadline for each answer: the command line has nothing else to do.
#pragma once

#include <chrono>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "os/fd.hpp"

namespace clawql::cli {

class Connection {
 public:
  // The first of the sockets that answers. An error names every one that was tried and why it failed.
  static Result<Connection> open(const std::vector<std::string>& sockets);
  const std::string& path() const { return path_; }

  Status write(std::string_view bytes);
  // Some more bytes appended to `out`; 0: the other side closed. `deadline` is when to give up.
  Result<std::size_t> read(std::string& out, std::chrono::steady_clock::time_point deadline);

 private:
  Connection(os::Fd socket, std::string path) : socket_(std::move(socket)), path_(std::move(path)) {}
  os::Fd socket_;
  std::string path_;
};

}  // namespace clawql::cli
