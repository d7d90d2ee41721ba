// What the readers of the parts share: the problems, the notices, and values out of a tree that was checked against the
// table. A value of a wrong shape was reported there, so it reads as absent here.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "config/config.hpp"
#include "config/problems.hpp"
#include "config/yaml.hpp"

namespace clawql::config {

// Reads a whole small file, for `envFile`. Handed in, so that tests and the fuzzer touch no files.
using ReadFile = std::function<Result<std::string>(const std::string& path)>;

struct Reading {
  Problems& problems;
  std::vector<Notice>& notices;
  const Environment& environment;
  const ReadFile& read_file;
  std::string folder;  // of the configuration file, for relative `envFile`s

  void notice(Mark mark, std::string id, std::string text) const {
    notices.push_back({problems.where(mark), std::move(id), std::move(text)});
  }
  // Takes the value, or reports the error at `mark` as "`key` error" and returns nullopt.
  template <class T>
  std::optional<T> take(Mark mark, std::string_view key, Result<T> result) const {
    if (result) return std::move(*result);
    report(mark, key, result.error());
    return std::nullopt;
  }
  bool holds(Mark mark, std::string_view key, const Status& status) const {
    if (!status) report(mark, key, status.error());
    return status.has_value();
  }
  void report(Mark mark, std::string_view key, const Error& error) const {
    problems.add(mark, "`" + std::string(key) + "`: " + error.message);
  }
};

// The scalar with this key; nullptr when absent or no scalar. A null reads as the empty text.
const yaml::Node* scalar(const yaml::Node* parent, std::string_view key);
std::string text_of(const yaml::Node& node);
std::optional<bool> boolean(const yaml::Node* parent, std::string_view key);
std::optional<std::uint64_t> integer(const yaml::Node* parent, std::string_view key);
// The scalars of a list, but for nulls.
std::vector<const yaml::Node*> scalars(const yaml::Node* list);
// True for an unquoted `false`.
bool is_false(const yaml::Node* node);

std::vector<Server> read_servers(const yaml::Node* servers, const Reading& reading);
// Lower-case hex SHA-256 over every member but the fingerprint itself.
std::string fingerprint(const Server& server);

// The facts of fstat() about a file that decides what is started. `caller`: the effective uid.
Status check_owner(const std::string& path, std::uint32_t owner, std::uint32_t mode, std::uint32_t caller);

// parse() with the file system handed in.
Result<Config> parse_with(std::string_view text, std::string_view path, const Places& places,
                          const Environment& environment, const ReadFile& read_file);

}  // namespace clawql::config
