// What the gateway itself asks a server's process: the handshake, its lists, subscriptions. Each request has a number
// of the server's own row and somebody who waits for the answer. In the era of 2026-07-28 every request gets the claim.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/upstream/claim.hpp"
#include "engine/upstream/server_message.hpp"
#include "engine/upstream/server_process.hpp"
#include "json/document.hpp"

namespace clawql::engine::upstream {

class OwnRequests {
 public:
  struct Answer {
    std::uint64_t id;
    json::Value result;  // an object, or absent: then why() says why
    json::Value error;
    std::string_view fault;
    std::string why() const;  // "error -32603: …", for people
    bool is_error(std::int64_t code) const { return error.find("code").int64() == code; }
  };
  // May end the process, and with it every request here.
  using OnAnswer = std::move_only_function<void(const Answer&)>;

  // `next_id`: the server's row of numbers, borrowed.
  explicit OwnRequests(std::uint64_t& next_id) : next_id_(next_id) {}

  void attach(ServerProcess& process) { process_ = &process; }
  // Nobody is told of an answer any more.
  void detach();
  // From now on every request carries it.
  void set_claim(Claim claim) { claim_ = std::move(claim); }

  // `members`: of params, without braces; empty for none. Only while attached.
  std::uint64_t ask(std::string_view method, std::string_view members, OnAnswer on_answer);
  // The same for one that is answered only at its end, whenever that is.
  std::uint64_t ask_standing(std::string_view method, std::string_view members, OnAnswer on_answer);
  // A notification.
  void tell(std::string_view method, std::string_view members);
  // Its answer is of no interest any more.
  void forget(std::uint64_t id);
  // True when this was the answer to one of them.
  bool take(std::uint64_t id, const json::Document& document, const ServerMessage& message);
  // An answer may come at any time.
  bool awaits_answer() const;

 private:
  struct Request {
    std::uint64_t id;
    bool stands;
    OnAnswer on_answer;
  };
  std::uint64_t add(bool stands, std::string_view method, std::string_view members, OnAnswer on_answer);

  std::uint64_t& next_id_;
  ServerProcess* process_ = nullptr;
  std::optional<Claim> claim_;
  std::vector<Request> requests_;
};

// What a server says of itself, cut for logs and status.
std::string shown(json::Value text);

}  // namespace clawql::engine::upstream
