// Duplicate keys. Few keys are compared with each other; many are sorted by hash and text, so that a hostile object
// costs n log n comparisons whatever its keys hash to.
#include <algorithm>
#include <cstring>

#include "json/scanner.hpp"
#include "json/text_scan.hpp"

namespace clawql::json {
namespace {

constexpr std::uint32_t kFewKeys = 24;

// Spreads keys over the 64 bits of a set by their length and outer bytes: equal keys share a bit, others seldom do.
// The quotes are with the key.
std::uint64_t rough_bit(std::string_view quoted_key) {
  const auto first = static_cast<unsigned char>(quoted_key[1]);
  const auto last = static_cast<unsigned char>(quoted_key[quoted_key.size() - 2]);
  const auto mixed =
      static_cast<std::uint32_t>(quoted_key.size()) ^ static_cast<std::uint32_t>(first << 8 | last << 16);
  return std::uint64_t{1} << (mixed * 0x9e3779b1U >> 26);
}

std::uint64_t hash_of(std::string_view key) {
  std::uint64_t hash = key.size();
  const char* at = key.data();
  for (std::size_t left = key.size(); left > 0;) {
    const std::size_t taken = std::min<std::size_t>(left, 8);
    std::uint64_t block = 0;
    std::memcpy(&block, at, taken);
    hash = (hash ^ block) * 0x9e3779b97f4a7c15U;
    hash ^= hash >> 29;
    at += taken;
    left -= taken;
  }
  return hash;
}

}  // namespace

// The key unescaped: a view into the text where it holds no escape, else into `scratch`.
std::string_view Scanner::key_text(const Token& token, std::string& scratch) const {
  const std::string_view inner(begin + token.offset + 1, token.length - 2);
  if (!token.escaped()) return inner;
  scratch.clear();
  Unescaper pieces(inner);
  for (std::string_view piece = pieces.next(); !piece.empty(); piece = pieces.next()) scratch.append(piece);
  return scratch;
}

bool Scanner::same_key(const Token& left, const Token& right) const {
  std::string left_scratch;
  std::string right_scratch;
  return key_text(left, left_scratch) == key_text(right, right_scratch);
}

bool Scanner::check_keys(std::uint32_t object) {
  const std::uint32_t count = tokens[object].count();
  if (count < 2) return true;
  return count <= kFewKeys ? check_few_keys(object) : check_many_keys(object);
}

bool Scanner::check_few_keys(std::uint32_t object) {
  const auto raw = [this](const Token& token) { return std::string_view(begin + token.offset, token.length); };
  std::uint64_t seen = 0;
  const std::uint32_t stop = tokens[object].next;
  for (std::uint32_t key = object + 1; key != stop; key = tokens[key + 1].next) {
    if (tokens[key].escaped()) return check_many_keys(object);  // there each is unescaped once, not once a comparison
    const std::string_view text = raw(tokens[key]);
    const std::uint64_t bit = rough_bit(text);
    if ((seen & bit) != 0) {
      for (std::uint32_t before = object + 1; before != key; before = tokens[before + 1].next)
        if (raw(tokens[before]) == text) return refuse(begin + tokens[key].offset, "duplicate key");
    }
    seen |= bit;
  }
  return true;
}

bool Scanner::check_many_keys(std::uint32_t object) {
  hashed_keys.clear();
  std::string scratch;
  const std::uint32_t stop = tokens[object].next;
  for (std::uint32_t key = object + 1; key != stop; key = tokens[key + 1].next)
    hashed_keys.push_back({hash_of(key_text(tokens[key], scratch)), key});
  std::string left_scratch;
  std::string right_scratch;
  std::ranges::sort(hashed_keys, [&](const HashedKey& left, const HashedKey& right) {
    if (left.hash != right.hash) return left.hash < right.hash;
    const int order = key_text(tokens[left.token], left_scratch).compare(key_text(tokens[right.token], right_scratch));
    return order != 0 ? order < 0 : left.token < right.token;
  });
  for (std::size_t i = 1; i < hashed_keys.size(); ++i) {
    const HashedKey& left = hashed_keys[i - 1];
    const HashedKey& right = hashed_keys[i];
    if (left.hash == right.hash && same_key(tokens[left.token], tokens[right.token]))
      return refuse(begin + tokens[right.token].offset, "duplicate key");
  }
  return true;
}

}  // namespace clawql::json
