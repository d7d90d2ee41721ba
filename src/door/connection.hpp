// An HTTP connection: one request at a time, each through the whole line
//   head → guard → route → body gathered → admission → hand over → rest of the body under credit → answer
// and the next one only after the answer before it has ended. A request whose body is small goes over whole, in one
// frame; a refusal that leaves a body unread ends the connection, because nobody may read that body as a request.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "door/answer.hpp"
#include "door/client.hpp"
#include "door/handover.hpp"
#include "door/route.hpp"
#include "http/request.hpp"

namespace clawql::door {

class Connection final : public Protocol, private ipc::DoorStreamHandler, private ShardLink::Waiter {
 public:
  explicit Connection(Client& client);
  ~Connection() override;

 private:
  enum class Phase : std::uint8_t {
    head,       // the next request's head is awaited or incomplete
    gathering,  // its body comes, up to what an open may carry
    waiting,    // complete enough, but the channel has no room
    answering,  // handed over; the rest of the body goes on under credit
    over,       // nothing more is read
  };

  // Protocol
  void received(std::string_view bytes) override;
  void half_closed() override;
  void hung_up() override;
  void drained() override;
  void expired() override;
  void wind_up() override;
  void client_gone() override;
  // DoorStreamHandler
  void on_head(const ipc::Head& head) override;
  void on_data(std::string_view bytes) override;
  void on_end() override;
  void on_reset(base::Reason reason) override;
  void on_body_credit(std::uint32_t bytes) override;
  // Waiter
  void on_chance() override;

  // input: each takes from the front of `input` and says how much
  std::size_t take(std::string_view input);
  std::size_t take_head(std::string_view input);
  std::size_t gather(std::string_view input);
  std::size_t forward(std::string_view input);
  void take_waiting_input();
  // the line
  void judge(const http::RequestHead& head, std::string_view head_bytes);
  void answer_here(const Routed& routed);
  void admit(AdmittedRequest request);
  void start(std::string_view first_body);
  void open(std::string_view first_body);
  void send_body(std::string_view piece);
  void body_is_complete();
  void keep_for_later(std::string_view body);
  void pace_body();
  void watch_input();
  // answers and endings
  void refuse(const Refused& refused);
  void finish_answer();
  void end_connection();
  static void empty(std::string& buffer);  // gives large memory back
  void begin_next();
  void reset_request();
  bool must_close() const;
  // The client does not take its answers: no further request of it is looked at until it does.
  bool is_stuffed() const { return phase_ == Phase::head && client_.stream().pending() >= ipc::kStreamCredit; }
  AnswerContext context(bool close) const { return {listed_origin_, close, is_head_method_}; }

  Client& client_;
  Surroundings& around_;
  http::HeadParser parser_;
  http::BodyDecoder decoder_;
  Phase phase_ = Phase::head;
  std::string in_;               // bytes not taken yet: the front of a head, or requests that wait their turn
  std::string head_;             // the present head, kept when the request outlives the read that brought it
  std::string body_;             // decoded body that waits to be handed over or for credit
  std::string_view head_bytes_;  // the present head, in head_ or in the bytes just read
  std::optional<AdmittedRequest> request_;
  std::string listed_origin_;
  Call call_;
  ShardLink* link_ = nullptr;
  std::uint64_t body_credit_ = 0;
  base::Microseconds body_since_{0};
  std::uint64_t body_bytes_ = 0;
  bool body_paced_ = false;                   // the client's time for the body runs
  std::optional<std::uint64_t> answer_left_;  // of an answer with Content-Length
  bool is_head_method_ = false;
  bool keep_alive_ = true;
  bool drops_input_ = false;   // a body that nobody wants comes: the connection ends after the answer
  bool continue_due_ = false;  // the client waits for 100 Continue
  bool request_ended_ = false;
  bool hang_up_told_ = false;  // to the engine, of this request
  bool head_sent_ = false;
  bool chunked_ = false;
  bool head_begun_ = false;
  bool closes_ = false;  // the answer under way ends the connection
};

}  // namespace clawql::door
