// Classes of bytes in HTTP (RFC 9110 section 5.6, RFC 3986 section 2). Internal to src/http.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace clawql::http {

enum CharacterClass : std::uint8_t {
  kToken = 1,      // tchar: methods, field names
  kFieldText = 2,  // what a field value may hold: visible ASCII, blank, tab, 0x80..0xff
  kPath = 4,       // pchar without "%", and "/"
  kLabel = 8,      // letters, digits, hyphen
  kHexDigit = 16,
};

consteval std::array<std::uint8_t, 256> make_character_classes() {
  std::array<std::uint8_t, 256> classes{};
  const auto mark = [&classes](std::string_view characters, CharacterClass wanted) {
    for (const char c : characters) classes[static_cast<unsigned char>(c)] |= wanted;
  };
  constexpr std::string_view kAlphanumeric = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
  mark(kAlphanumeric, kToken);
  mark("!#$%&'*+-.^_`|~", kToken);
  mark(kAlphanumeric, kPath);
  mark("-._~!$&'()*+,;=:@/", kPath);
  mark(kAlphanumeric, kLabel);
  mark("-", kLabel);
  mark("0123456789abcdefABCDEF", kHexDigit);
  for (std::size_t c = 0x20; c < 256; ++c)
    if (c != 0x7f) classes[c] |= kFieldText;
  classes['\t'] |= kFieldText;
  return classes;
}
inline constexpr std::array<std::uint8_t, 256> kCharacterClasses = make_character_classes();

constexpr bool is(CharacterClass wanted, char c) {
  return (kCharacterClasses[static_cast<unsigned char>(c)] & wanted) != 0;
}
constexpr bool all_are(CharacterClass wanted, std::string_view text) {
  for (const char c : text)
    if (!is(wanted, c)) return false;
  return true;
}
constexpr bool is_token(std::string_view text) {
  return !text.empty() && all_are(kToken, text);
}

constexpr char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c;
}

constexpr bool is_blank(char c) {
  return c == ' ' || c == '\t';
}
// Without the optional whitespace (OWS) around it.
constexpr std::string_view trimmed(std::string_view text) {
  while (!text.empty() && is_blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_blank(text.back())) text.remove_suffix(1);
  return text;
}

}  // namespace clawql::http
