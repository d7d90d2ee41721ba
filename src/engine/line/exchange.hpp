// One stream of a channel: a request of a client and the way its answer goes. Each kind of stream is a class of its own
// (exchange_post, exchange_events, exchange_lines, exchange_operator). An exchange lives in a store and is destroyed
// at the end of a turn, never inside a call.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "engine/line/line.hpp"
#include "ipc/channel.hpp"

namespace clawql::engine::line {

class ExchangeStore;

class Exchange : public ipc::EngineStreamHandler {
 public:
  Exchange(Line& line, Core& core, ExchangeStore& store, ipc::EngineChannel& channel, ipc::StreamId stream,
           const ipc::Open& open);
  virtual ~Exchange() = default;
  Exchange(const Exchange&) = delete;
  Exchange& operator=(const Exchange&) = delete;

  // The gateway stops: a stream without end is closed with a whole event. Others finish by themselves.
  virtual void drain() {}
  // A sign of life on a stream that may be silent for long, before proxies close it.
  virtual void keep_alive() {}
  // At the end of a turn for which check_later() asked.
  virtual void check() {}
  // Cut off, whatever it waits for.
  void abort(base::Reason reason);

  void on_taken(std::size_t buffered) override;
  void on_cancel() final;

 protected:
  // The client is gone; the exchange is retired afterwards.
  virtual void vanished() = 0;

  bool has_room(std::size_t bytes) const { return buffer_.has_room(bytes); }
  void send_head(const ipc::Head& head) { channel_.head(stream_, head); }
  void send_data(std::string_view bytes);
  void send_comment();  // of an event stream
  void finish();        // after the last byte; the stream ends once the client took all of it
  bool is_finishing() const { return finishing_; }  // all was said, but the client has not taken it yet
  // A whole answer.
  void send_all(ipc::Head head, std::string_view body);
  void send_refusal(base::Reason reason, std::string_view body);
  void send_refusal(base::Reason reason) { send_refusal(reason, base::refusal_body(reason)); }
  void reset(base::Reason reason);
  // At most `window` bytes of body are granted ahead of what came.
  void grant_up_to(std::uint32_t window);
  void body_came(std::size_t bytes);
  void count_for(const mcp::Client& client) { buffer_.stream.belongs_to(client.buffered()); }
  void check_later();

  struct Share {  // of the bytes that wait for clients
    Core& core;
    StreamBuffer stream;
    bool has_room(std::size_t bytes) const { return core.has_room_for_bytes(stream.session(), bytes); }
  };

  Line& line_;
  Core& core_;
  ExchangeStore& store_;
  ipc::EngineChannel& channel_;
  const ipc::StreamId stream_;
  const IdentifiedRequest who_;
  bool closed_ = false;  // the channel has forgotten the stream: nothing may be sent

 private:
  friend class ExchangeStore;
  void retire();
  Share buffer_;
  std::uint32_t granted_ = 0;  // body bytes that may still come
  bool finishing_ = false;
  std::size_t index_ = 0;  // in the store
};

// Every exchange of a shard.
class ExchangeStore final : private io::TurnEnd {
 public:
  explicit ExchangeStore(io::Loop& loop) : loop_(loop) {}
  template <class T>
  T& keep(std::unique_ptr<T> exchange) {
    T& kept = *exchange;
    static_cast<Exchange&>(kept).index_ = live_.size();
    live_.push_back(std::move(exchange));
    return kept;
  }
  void retire(Exchange& exchange);       // destroyed at the end of the turn
  void check_later(Exchange& exchange);  // check() is called at the end of the turn
  std::size_t size() const { return live_.size(); }
  void for_each(const std::function<void(Exchange&)>& visit);

 private:
  void on_turn_end() override;
  io::Loop& loop_;
  std::vector<std::unique_ptr<Exchange>> live_, retired_;
  std::vector<Exchange*> to_check_, checking_;
};

}  // namespace clawql::engine::line
