// What the line asks of the supervisor, and who waits for its answers.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>

#include "io/loop.hpp"
#include "ipc/settings.hpp"

namespace clawql::engine::line {

class SupervisorLink {
 public:
  virtual void admin(const ipc::AdminRequest& request) = 0;
  virtual void drained() = 0;

 protected:
  ~SupervisorLink() = default;
};

class AdminSink {
 public:
  virtual void on_admin_answer(const ipc::AdminAnswer& answer) = 0;
  virtual void on_admin_silence() = 0;  // the supervisor did not answer in time

 protected:
  ~AdminSink() = default;
};

// Hands questions to the supervisor and its answers back to whom asked.
class AdminDesk {
 public:
  AdminDesk(io::Loop& loop, SupervisorLink& supervisor) : loop_(loop), supervisor_(supervisor) {}
  std::uint64_t ask(std::string_view operation, std::string_view argument, AdminSink& sink);
  void answer(const ipc::AdminAnswer& answer);
  void forget(std::uint64_t token) { open_.erase(token); }

 private:
  struct Open {
    Open(AdminSink& sink_in, io::Loop& loop, io::Task on_expiry)
        : sink(sink_in), patience(loop, std::move(on_expiry)) {}
    AdminSink& sink;
    io::Deadline patience;
  };
  io::Loop& loop_;
  SupervisorLink& supervisor_;
  std::unordered_map<std::uint64_t, std::unique_ptr<Open>> open_;
  std::uint64_t tokens_ = 0;
};

}  // namespace clawql::engine::line
