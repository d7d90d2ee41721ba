// How many instances run besides the shared processes, of each entry and in all, counted over all shards. The
// supervisor keeps the same limits; counting here as well gives the refused call its reason.
#pragma once

#include <cstddef>
#include <map>
#include <mutex>
#include <string>
#include <string_view>

namespace clawql::engine::upstream {

class InstanceCounts {
 public:
  // From every thread. False when that would be one too many.
  bool take(std::string_view entry, std::size_t most_of_entry, std::size_t most_in_all) {
    const std::lock_guard lock(mutex_);
    std::size_t& of_entry = counts_.try_emplace(std::string(entry), 0).first->second;
    if (of_entry >= most_of_entry || total_ >= most_in_all) return false;
    ++of_entry;
    ++total_;
    return true;
  }
  void give_back(std::string_view entry) {
    const std::lock_guard lock(mutex_);
    --counts_.find(entry)->second;
    --total_;
  }

 private:
  std::mutex mutex_;
  std::map<std::string, std::size_t, std::less<>> counts_;
  std::size_t total_ = 0;
};

}  // namespace clawql::engine::upstream
