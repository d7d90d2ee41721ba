// The data of the built-in tool `cache`, of one principal: keys and values, the least recently used go first. Bounded
// by entries and bytes of its own, and by bytes that all principals share: nobody can push out what another one stored.
#pragma once

#include <cstddef>
#include <list>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

namespace clawql::engine::upstream {

// Bytes of all stores together. Belongs to the loop of its stores.
struct SharedBytes {
  std::size_t limit;
  std::size_t used = 0;
};

class CacheStore {
 public:
  struct Limits {
    std::size_t entries;
    std::size_t bytes;  // keys and values
  };
  CacheStore(Limits limits, SharedBytes& shared) : limits_(limits), shared_(shared) {}
  ~CacheStore() { shared_.used -= bytes_; }
  CacheStore(const CacheStore&) = delete;
  CacheStore& operator=(const CacheStore&) = delete;

  // Returns how many other entries had to go. Fails when it cannot fit at all; then nothing changed.
  Result<std::size_t> set(std::string_view key, std::string value);
  // Null when it is not there. Counts as a use; valid until the next change.
  const std::string* get(std::string_view key);
  bool erase(std::string_view key);
  // Sorted by bytes, at most `limit`.
  std::vector<std::string_view> with_prefix(std::string_view prefix, std::size_t limit) const;
  // Keys that contain `query`; ASCII letters are equal to their other case.
  std::vector<std::string_view> containing(std::string_view query, std::size_t limit) const;

  std::size_t entries() const { return entries_.size(); }
  std::size_t bytes() const { return bytes_; }

 private:
  struct Entry;
  using Entries = std::map<std::string, Entry, std::less<>>;
  using Order = std::list<Entries::iterator>;  // most recently used first
  struct Entry {
    std::string value;
    Order::iterator place;
  };
  void remove(Entries::iterator entry);

  Limits limits_;
  SharedBytes& shared_;
  Entries entries_;
  Order order_;
  std::size_t bytes_ = 0;
};

}  // namespace clawql::engine::upstream
