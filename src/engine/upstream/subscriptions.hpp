// The resources whose changes somebody wants to hear of, counted by URI. Kept over restarts of the server.
#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <string_view>

namespace clawql::engine::upstream {

class Subscriptions {
 public:
  static constexpr std::size_t kUris = 10'000;  // over it nobody else is taken: they hear of no change

  // True when this is the first who wants it.
  bool add(std::string_view uri) {
    const auto found = counts_.find(uri);
    if (found != counts_.end()) return ++found->second == 1;
    if (counts_.size() >= kUris) return false;
    counts_.emplace(uri, 1);
    return true;
  }
  // True when nobody wants it any more.
  bool remove(std::string_view uri) {
    const auto found = counts_.find(uri);
    if (found == counts_.end() || --found->second > 0) return false;
    counts_.erase(found);
    return true;
  }
  // By URI; the values are of no interest to the reader.
  const std::map<std::string, std::size_t, std::less<>>& uris() const { return counts_; }
  bool empty() const { return counts_.empty(); }

 private:
  std::map<std::string, std::size_t, std::less<>> counts_;
};

}  // namespace clawql::engine::upstream
