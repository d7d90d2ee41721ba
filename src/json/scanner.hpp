// The single pass that validates a text and lists its values. Internal to src/json.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "json/document.hpp"

namespace clawql::json {

// No recursion and no stack beside the tokens: while a container is open, its token's `next` names the container around
// it.
struct Scanner {
  using Token = Document::Token;
  static constexpr std::uint32_t kNone = UINT32_MAX;

  Scanner(Document& document, const ParseLimits& parse_limits);

  // The whole text. False: refused, see error.
  bool run();

  ParseError error{0, {}};

 private:
  bool refuse(const char* where, std::string_view why);
  bool refuse_here(std::string_view why) { return refuse(cursor, why); }
  bool refuse_unexpected(std::string_view why);
  void skip_blank();

  bool step();  // one child of the open container, or its end
  bool value();
  bool key();
  bool string();
  bool escape();
  bool number();
  bool word(std::string_view text, Kind kind);
  bool digits();
  bool open_container(Kind kind);
  bool close_container();
  bool add(Kind kind, const char* start, bool escaped);

  // Duplicate keys of an object that is complete. `object` is its token's index.
  bool check_keys(std::uint32_t object);
  bool check_few_keys(std::uint32_t object);
  bool check_many_keys(std::uint32_t object);
  std::string_view key_text(const Token& token, std::string& scratch) const;
  bool same_key(const Token& left, const Token& right) const;

  Document& document;
  std::vector<Token>& tokens;
  const ParseLimits& limits;
  const char* const begin;
  const char* const end;
  const char* cursor;
  std::uint32_t open = kNone;  // the innermost open container
  std::size_t depth = 0;

  struct HashedKey {
    std::uint64_t hash;
    std::uint32_t token;
  };
  std::vector<HashedKey> hashed_keys;  // scratch of check_many_keys
};

}  // namespace clawql::json
