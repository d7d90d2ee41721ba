// What a session hears on a GET: messages that belong to no request. While no connection takes it, it rests: it is none
// of the session's streams, and keeps what the session cannot hear on another one.
#pragma once

#include <memory>

#include "engine/line/resumable.hpp"

namespace clawql::engine::line {

class Standing final : public Resumable, public mcp::MessageStream {
 public:
  Standing(Core& core, mcp::Session& session, std::uint64_t number)
      : Resumable(core, session, number), session_(session) {}

  bool send(std::string_view message) override;
  void close() override;

  bool is_over(base::Microseconds now) const override { return !is_attached() && now - rests_since_ > kKeptUnheard; }
  bool is_finished() const override { return !is_attached(); }
  bool is_spare() const override { return false; }
  void let_go() override;
  bool is_standing() const override { return true; }
  void age(base::Microseconds now) override;

 private:
  void attached() override;
  void detached() override;

  mcp::Session& session_;
  // The session may know it longer than it lives.
  std::shared_ptr<mcp::MessageStream> self_{static_cast<mcp::MessageStream*>(this), [](mcp::MessageStream*) {}};
  base::Microseconds rests_since_{0}, last_sent_{0};
};

}  // namespace clawql::engine::line
