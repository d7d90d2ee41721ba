#include "engine/line/standing.hpp"

#include "engine/line/core.hpp"

namespace clawql::engine::line {

bool Standing::send(std::string_view message) {
  if (!make_room(message.size())) return false;
  // Nobody may ever come for it.
  if (!is_attached() && bytes_ + message.size() > kHistory) return false;
  keep(message);
  last_sent_ = core_.loop.now();
  return true;
}

void Standing::close() {
  session_.detach(*this);
  end_connection();
}

void Standing::attached() {
  session_.attach(*this);
}

void Standing::detached() {
  rests_since_ = core_.loop.now();
  session_.detach(*this);
  session_.touch(rests_since_);
  session_.rest(self_);
}

void Standing::let_go() {
  if (heard_) drop_events();
}

void Standing::age(base::Microseconds now) {
  if (now - last_sent_ > kKeptUnheard) let_go();
}

}  // namespace clawql::engine::line
