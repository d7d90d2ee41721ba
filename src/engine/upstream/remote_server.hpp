// A server that another shard owns, as this shard's line sees it: calls go to the owner and come back, the list and the
// state are what the owner told last. Nothing is called from within call(): answers come in a later turn.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "engine/upstream/remote_call.hpp"
#include "engine/upstream/server.hpp"
#include "engine/upstream/subscriptions.hpp"
#include "ipc/settings.hpp"

namespace clawql::engine::upstream {

class Imports;

class RemoteServer final : public Server {
 public:
  // A list waits no longer for word of its start (the owner counts from the start itself).
  static constexpr base::Milliseconds kListPatience{5'000};

  // `imports` and `observer` are borrowed, for the server's life. A server that starts with the engine counts as
  // starting until its owner says otherwise.
  RemoteServer(Imports& imports, Observer& observer, std::uint32_t owner, const ipc::ServerSettings& settings,
               std::string key);

  std::uint32_t owner() const { return owner_; }
  const std::string& key() const { return key_; }  // of the owner's Exports
  void change(const ipc::ServerSettings& settings) { prefix_ = settings.prefix; }
  // The owner's word.
  void is(ServerView view);

  const std::string& name() const override { return name_; }
  const std::string& prefix() const override { return prefix_; }
  State state() const override { return view_.state; }
  bool worth_waiting_for() const override;
  std::shared_ptr<const Offer> offer() const override { return view_.offer; }
  Description describe() const override;
  std::uint64_t generation() const override { return view_.generation; }
  std::optional<CallId> call(const OutgoingRequest& request, CallSink& sink) override;
  void cancel(CallId call, std::string_view reason) override;
  // The owner's line asks it, for the sessions of all shards.
  void set_log_level(std::string_view) override {}
  void subscribe(std::string_view uri) override;
  void unsubscribe(std::string_view uri) override;
  void send(std::string_view message) override;
  void wake() override;

 private:
  void expect_start();
  Imports& imports_;
  Observer& observer_;
  const std::uint32_t owner_;
  const std::string name_;
  const std::string key_;
  std::string prefix_;
  ServerView view_;
  Subscriptions subscriptions_;
  base::Microseconds patience_until_{0};
  bool woken_ = false;  // "stopped" was said before the owner heard of it
};

}  // namespace clawql::engine::upstream
