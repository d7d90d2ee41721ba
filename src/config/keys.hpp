// Every key of the configuration in one table: it checks the file, makes the JSON Schema and docs/config.md. A key that
// is not here does not exist.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace clawql::config {

enum class Type : std::uint8_t {
  boolean,
  integer,  // in minimum … maximum
  text,
  choice,            // one of `choices`
  texts,             // a list of texts
  text_map,          // names to texts
  object,            // the keys below it
  object_or_false,   // the same, or `false`
  objects_or_false,  // one or a list of the same, or `false`
  object_map,        // names of the user's to objects; the keys below "*" are theirs
  anything,          // not looked into
};

enum class Standing : std::uint8_t {
  served,
  no_effect,  // of a client's own dialogs: accepted, reported
  ignored,    // accepted, not worth a word
  later,      // an error that says so
};

struct Key {
  std::string path;  // "listen.unix.mode"; "*" stands for a name of the user's
  Type type = Type::text;
  std::string fallback{};  // what holds when the key is absent, for the documentation
  std::string doc{};       // for Standing::later: what is to come
  Standing standing = Standing::served;
  std::uint64_t minimum = 0;
  std::uint64_t maximum = 0;
  std::vector<std::string_view> choices{};
  bool secret = false;  // its values are never shown

  std::string_view name() const;  // the last word of the path
};

const std::vector<Key>& keys();
// nullptr when there is none.
const Key* find_key(std::string_view path);
// The keys directly below `path` ("" for the top), in the table's order.
std::vector<const Key*> keys_below(std::string_view path);
// "request_body" → "requestBody".
std::string camel_case(std::string_view snake_case);

}  // namespace clawql::config
