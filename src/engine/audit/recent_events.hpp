// The newest audit events of each principal, in memory, for the built-in tool `audit`. Bounded in both directions: so
// many events a principal, so many principals; the one that was quiet longest is forgotten. Strings are reused, so a
// full ring allocates nothing.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace clawql::engine::audit {

class RecentEvents {
 public:
  static constexpr std::size_t kPrincipals = 64;

  explicit RecentEvents(std::size_t events_a_principal) : capacity_(events_a_principal) {}
  void add(std::string_view principal, std::string_view json);
  // At most `limit`, newest last.
  std::vector<std::string> newest(std::string_view principal, std::size_t limit) const;
  std::size_t principals() const { return rings_.size(); }

 private:
  struct Ring {
    std::vector<std::string> events;
    std::size_t next = 0;  // where the next one goes, once the ring is full
    std::uint64_t last_use = 0;
  };
  Ring& ring_of(std::string_view principal);
  std::size_t capacity_;
  std::uint64_t uses_ = 0;
  std::map<std::string, Ring, std::less<>> rings_;
};

}  // namespace clawql::engine::audit
