#include "engine/line/task_listing.hpp"

#include <fmt/format.h>

#include <utility>

#include "engine/line/tasks.hpp"
#include "json/removal.hpp"
#include "json/writer.hpp"

namespace clawql::engine::line {
namespace {

constexpr std::int64_t kInvalidParams = -32602;

}  // namespace

// How one task stands.
class TaskListing::Get final : private upstream::CallSink {
 public:
  Get(TaskListing& listing, mcp::Task task, upstream::Server& server)
      : listing_(listing), task_(std::move(task)), server_(server) {}

  void send() {
    const std::string text =
        fmt::format(R"({{"jsonrpc":"2.0","id":0,"method":"tasks/get","params":{{"taskId":{}}}}})", task_.upstream_raw);
    const upstream::OutgoingRequest request{.text = text,
                                            .id = std::string_view(text).substr(text.find(R"("id":)") + 5, 1),
                                            .progress_token = {},
                                            .edits = {},
                                            .generation = task_.process,
                                            .principal = task_.principal};
    open_ = true;
    if (const auto call = server_.call(request, *this)) call_ = call;
  }
  void cancel(std::string_view reason) {
    if (!std::exchange(open_, false)) return;
    if (call_) server_.cancel(*call_, reason);
  }
  const upstream::Server& server() const { return server_; }
  bool is_open() const { return open_; }
  const std::string& item() const { return item_; }  // empty: it is left out

 private:
  void on_response(const json::Document& message) override {
    mcp::TaskBook& book = listing_.core_.common.tasks;
    const json::Value result = message.root().find("result");
    const json::Value id = result.find("taskId");
    if (message.root().find("error").find("code").int64() == kInvalidParams) book.forget(task_.id);
    if (id && result.raw().size() <= kTaskBytes) {
      book.keep_until(task_.id, expiry_of(listing_.core_, result.find("ttl")));
      json::Splice splice(result.raw());
      splice.replace(id.raw(), json::quoted(task_.id));
      const std::string_view meta = json::removal_of(result, "_meta");
      if (!meta.empty()) splice.replace(meta, "");
      item_ = splice.str();
    }
    done();
  }
  void on_notification(const json::Document& /*message*/) override {}
  void on_failure(const base::Refusal& refusal) override {
    if (refusal.reason == base::Reason::task_lost)
      listing_.core_.common.tasks.process_ended(task_.process, listing_.core_.loop.now());
    done();
  }
  void done() {
    open_ = false;
    listing_.answered();  // this may be gone now
  }

  TaskListing& listing_;
  const mcp::Task task_;
  upstream::Server& server_;
  std::optional<upstream::CallId> call_;
  bool open_ = false;
  std::string item_;
};

TaskListing::TaskListing(Core& core, const McpRequest& request, mcp::Asker& asker)
    : Pending(request.message().id(), &asker),
      core_(core),
      client_(request.client()),
      in_flight_(core, client_),
      patience_(core.loop, [this] {
        for (const auto& get : gets_) get->cancel("it took too long");
        finish();
      }) {}

TaskListing::~TaskListing() = default;

void TaskListing::begin(TaskListing& listing, std::uint64_t number) {
  Core& core = listing.core_;
  auto tasks =
      core.common.tasks.page(listing.client_.principal().principal.name, number, kPageTasks + 1, core.loop.now());
  if (tasks.size() > kPageTasks) {
    tasks.pop_back();
    listing.next_cursor_ = core.common.cursors.seal({kCursorList, 0, tasks.back().number});
  }
  for (mcp::Task& task : tasks) {
    const Home home = find_home(core.common.tasks, listing.client_, task, core.loop.now());
    if (home.server != nullptr) listing.gets_.push_back(std::make_unique<Get>(listing, std::move(task), *home.server));
  }
  listing.open_ += listing.gets_.size();
  listing.patience_.set(kPatience);
  for (const auto& get : listing.gets_) get->send();
  listing.answered();
}

void TaskListing::answered() {
  if (--open_ == 0) finish();
}

void TaskListing::abandon(const upstream::Server& server) {
  std::size_t ended = 0;
  for (const auto& get : gets_) {
    if (&get->server() != &server || !get->is_open()) continue;
    get->cancel("the server was removed");
    ++ended;
  }
  open_ -= ended;
  if (ended > 0 && open_ == 0) finish();
}

void TaskListing::stop(base::Reason /*why*/, std::string_view reason_text) {
  for (const auto& get : gets_) get->cancel(reason_text);
}

void TaskListing::finish() {
  const std::unique_ptr<Pending> self = client_.take(*this);  // gone when this returns
  client_.touch(core_.loop.now());
  std::string answer = fmt::format(R"({{"jsonrpc":"2.0","id":{},"result":{{"tasks":[)", id());
  bool first = true;
  for (const auto& get : gets_) {
    if (get->item().empty()) continue;
    if (!std::exchange(first, false)) answer += ',';
    answer += get->item();
  }
  answer += ']';
  if (!next_cursor_.empty()) answer += R"(,"nextCursor":)" + json::quoted(next_cursor_);
  answer += "}}";
  if (asker() == nullptr) return core_.metrics.answers_dropped.add();
  asker()->respond(mcp::Spliced(answer), 200);
}

}  // namespace clawql::engine::line
