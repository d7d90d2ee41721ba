// Several instances of one server: who may have one, how each lives and ends, and what ends them all.
#include <sys/wait.h>

#include <map>
#include <set>

#include "supervisor/test_bench.hpp"

namespace clawql::supervisor {
namespace {

using ipc::Control;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::Pair;
using testing::StartsWith;
using testing_support::FakeProgram;

class InstancesTest : public testing_support::SupervisorTest {
 protected:
  InstancesTest() {
    config_.servers[0].isolation = config::Isolation::session;
    config_.servers[0].max_instances = 8;
  }
  // The engine's part of the script, and nothing of the door's.
  void engine(std::function<void(FakeProgram&, const ipc::ControlMessage&)> script) {
    script_ = [script = std::move(script)](FakeProgram& self, const ipc::ControlMessage& message) {
      if (is_engine(self)) script(self, message);
    };
  }
  // (instance, how) of every end that this engine was told.
  static std::vector<std::pair<std::uint64_t, std::string>> ends(const FakeProgram& engine) {
    std::vector<std::pair<std::uint64_t, std::string>> all;
    for (const auto& message : engine.messages) {
      if (message.kind != Control::server_exited) continue;
      const auto end = exited(message);
      all.emplace_back(end.instance, end.how);
    }
    return all;
  }
  static std::pair<std::uint64_t, std::string> first_end(const FakeProgram& engine) {
    const auto all = ends(engine);
    return all.empty() ? std::pair<std::uint64_t, std::string>{} : all.front();
  }
  static std::vector<std::uint64_t> starts(const FakeProgram& engine) {
    std::vector<std::uint64_t> all;
    for (const auto& message : engine.messages)
      if (message.kind == Control::server_started) all.push_back(started(message).instance);
    return all;
  }
  // Calls `then` once none of these processes is left, not even unreaped.
  void when_gone(const std::vector<pid_t>& pids, const std::function<void()>& then) {
    gone_ = std::make_unique<io::Deadline>(loop_, [this, pids, then] {
      if (std::ranges::all_of(pids, [](pid_t pid) { return ::kill(pid, 0) < 0; })) return then();
      gone_->set(base::Milliseconds{10});
    });
    gone_->set(base::Milliseconds{1});
  }

  std::unique_ptr<io::Deadline> gone_;
};

TEST_F(InstancesTest, EachIsAProcessOfItsOwnAndOneStopEndsOne) {
  engine([&](FakeProgram& self, const ipc::ControlMessage& message) {
    if (message.kind == Control::start)
      for (const std::uint64_t instance : {0U, 1U, 77U}) ask(self, Control::server_start, "cat", instance);
    if (message.kind == Control::server_started && starts(self).size() == 3) ask(self, Control::server_stop, "cat", 1);
    if (message.kind == Control::server_exited && exited(message).instance == 1) admin(self, "status");
    if (message.kind == Control::admin_answer) terminate();
  });
  EXPECT_EQ(run(), kExitClean);
  const FakeProgram& one = *engines_[0];
  EXPECT_THAT(starts(one), ElementsAre(0U, 1U, 77U));
  EXPECT_EQ(std::set<pid_t>(spawner_.server_pids.begin(), spawner_.server_pids.end()).size(), 3U);
  for (const auto& message : one.messages)
    if (message.kind == Control::server_started) EXPECT_EQ(message.fds.size(), 3U);
  const auto& end = *std::ranges::find(one.messages, Control::server_exited, &ipc::ControlMessage::kind);
  EXPECT_EQ(exited(end).instance, 1U);
  EXPECT_EQ(exited(end).retry_ms, 0U);
  const std::string status = answer(*one.last(Control::admin_answer)).text;
  EXPECT_THAT(status, HasSubstr(R"("state":"running","restarts":0,"isolation":"session","max_instances":8,)"
                                R"("running":1,"waiting":0,"stopping":0,"instances":[{"instance":77,"pid":)"));
  EXPECT_THAT(os::children_of_self(), IsEmpty());
}

TEST_F(InstancesTest, AStopThatIsAskedForMakesRoomAtOnceAndOneTooManyIsRefused) {
  spawner_.server_script = "exec sleep 1000";  // ends at TERM, half a second after the stop
  config_.servers[0].max_instances = 1;
  engine([&](FakeProgram& self, const ipc::ControlMessage& message) {
    if (message.kind == Control::start)
      for (const std::uint64_t instance : {0U, 1U, 2U, 3U}) ask(self, Control::server_start, "cat", instance);
    if (message.kind != Control::server_exited) return;
    if (exited(message).instance == 3) {
      EXPECT_EQ(exited(message).retry_ms, 0U);
      ask(self, Control::server_start, "cat", 2);  // it runs: nothing to do
      ask(self, Control::server_stop, "cat", 1);
      ask(self, Control::server_start, "cat", 4);
    }
    if (exited(message).instance == 1) terminate();
  });
  EXPECT_EQ(run(), kExitClean);
  EXPECT_THAT(first_end(*engines_[0]),
              Pair(3U, "could not be started: it has as many instances as its maxInstances allows: 1"));
  EXPECT_THAT(starts(*engines_[0]), ElementsAre(0U, 1U, 2U, 4U));
}

TEST_F(InstancesTest, AllServersTogetherHaveALimit) {
  config::Server other = config_.servers[0];
  other.name = "dog";
  config_.servers.push_back(other);
  config_.limits.instances = 3;
  engine([&](FakeProgram& self, const ipc::ControlMessage& message) {
    if (message.kind == Control::start) {
      for (const std::uint64_t instance : {0U, 1U, 2U}) ask(self, Control::server_start, "cat", instance);
      for (const std::uint64_t instance : {0U, 3U, 4U}) ask(self, Control::server_start, "dog", instance);
    }
    if (message.kind == Control::server_exited) terminate();
  });
  EXPECT_EQ(run(), kExitClean);
  EXPECT_THAT(first_end(*engines_[0]),
              Pair(4U,
                   "could not be started: all servers together have as many instances as limits.instances "
                   "allows: 3"));
  EXPECT_EQ(spawner_.server_pids.size(), 5U) << "the shared ones do not count";
}

TEST_F(InstancesTest, AnEngineThatStartsAndStopsWithoutPauseGetsNoEndlessProcesses) {
  spawner_.server_script = "trap '' TERM; exec 0<&-; while :; do sleep 1000; done";
  config_.limits.instances = 2;
  engine([&](FakeProgram& self, const ipc::ControlMessage& message) {
    if (message.kind == Control::start) {
      for (std::uint64_t instance = 1; instance < 100; ++instance) {
        ask(self, Control::server_start, "cat", instance);
        ask(self, Control::server_stop, "cat", instance);
      }
    }
    if (message.kind == Control::server_exited && exited(message).instance == 99) {
      for (const pid_t pid : spawner_.server_pids) ::kill(pid, SIGKILL);
      terminate();
    }
  });
  EXPECT_EQ(run(), kExitClean);
  EXPECT_EQ(spawner_.server_pids.size(), 4U);
  EXPECT_THAT(first_end(*engines_[0]), Pair(5U, HasSubstr("4 instances have not ended yet")));
}

TEST_F(InstancesTest, ASharedServerHasOneForTheOtherEraAndNoFurther) {
  config_.servers[0].isolation = config::Isolation::shared;
  const std::vector<Control> asked{Control::server_start, Control::server_restart};
  engine([&](FakeProgram& self, const ipc::ControlMessage& message) {
    if (message.kind == Control::start) {
      ask(self, Control::server_start, "cat", 1);
      for (const Control kind : asked) ask(self, kind, "cat", 2);
    }
    if (message.kind == Control::server_exited && ends(self).size() == asked.size()) terminate();
  });
  EXPECT_EQ(run(), kExitClean);
  const auto refusal = Pair(2U, "could not be started: its isolation is `shared`: it has no further instance");
  EXPECT_THAT(ends(*engines_[0]), ElementsAre(refusal, refusal));
  EXPECT_EQ(spawner_.server_pids.size(), 1U);
}

TEST_F(InstancesTest, OneThatDiesComesBackWithPausesOfItsOwnUntilItIsStopped) {
  std::map<std::uint64_t, std::vector<std::uint64_t>> pauses;
  std::vector<std::uint64_t> incarnations;
  engine([&](FakeProgram& self, const ipc::ControlMessage& message) {
    if (message.kind == Control::start) ask(self, Control::server_start, "cat", 5);
    if (message.kind == Control::server_started && started(message).instance == 5) {
      incarnations.push_back(started(message).incarnation);
      ::kill(spawner_.server_pids.back(), SIGKILL);
    }
    if (message.kind == Control::server_exited) {
      pauses[exited(message).instance].push_back(exited(message).retry_ms);
      if (pauses[5].size() < 2) return;
      if (exited(message).instance == 6) return admin(self, "status");
      ask(self, Control::server_stop, "cat", 5);   // while it waits for its third start
      ask(self, Control::server_start, "cat", 6);  // whose first pause owes nothing to the other's
    }
    if (message.kind == Control::server_started && started(message).instance == 6)
      ::kill(spawner_.server_pids.back(), SIGKILL);
    if (message.kind == Control::admin_answer) terminate();
  });
  EXPECT_EQ(run(), kExitClean);
  EXPECT_THAT(pauses[5], ElementsAre(250U, 500U));
  EXPECT_THAT(pauses[6], ElementsAre(250U));
  EXPECT_THAT(incarnations, ElementsAre(1U, 2U));
  EXPECT_THAT(
      answer(*engines_[0]->last(Control::admin_answer)).text,
      HasSubstr(R"("running":0,"waiting":1,"stopping":0,"instances":[{"instance":6,"pid":0,"state":"waiting")"));
}

TEST_F(InstancesTest, OneThatCannotBeStartedSaysWhyAndTheOthersRunOn) {
  engine([&](FakeProgram& self, const ipc::ControlMessage& message) {
    if (message.kind == Control::start) ask(self, Control::server_start, "cat", 1);
    if (message.kind == Control::server_started && started(message).instance == 1) {
      spawner_.server_script = "echo 'npx: No such file or directory' >&4; exit 127";
      ask(self, Control::server_start, "cat", 2);
    }
    if (message.kind == Control::server_exited) terminate();
  });
  EXPECT_EQ(run(), kExitClean);
  EXPECT_THAT(first_end(*engines_[0]), Pair(2U, "could not be started: npx: No such file or directory"));
  EXPECT_EQ(
      exited(*std::ranges::find(engines_[0]->messages, Control::server_exited, &ipc::ControlMessage::kind)).retry_ms,
      250U);
}

TEST_F(InstancesTest, ARestartChangesOneProcessAndKeepsItsNumber) {
  std::vector<pid_t> before;
  engine([&](FakeProgram& self, const ipc::ControlMessage& message) {
    if (message.kind == Control::start)
      for (const std::uint64_t instance : {1U, 2U}) ask(self, Control::server_start, "cat", instance);
    if (message.kind != Control::server_started) return;
    if (starts(self).size() == 2) {
      before = spawner_.server_pids;
      ask(self, Control::server_restart, "cat", 1);
    }
    if (starts(self).size() == 3) {
      EXPECT_LT(::kill(before[0], 0), 0);
      EXPECT_EQ(::kill(before[1], 0), 0);
      EXPECT_GT(started(message).incarnation, 1U);
      terminate();
    }
  });
  EXPECT_EQ(run(), kExitClean);
  EXPECT_THAT(starts(*engines_[0]), ElementsAre(1U, 2U, 1U));
}

TEST_F(InstancesTest, TheyEndWithTheEngineAndTheNextOneHearsNothingOfThem) {
  spawner_.server_script = "exec sleep 1000";  // so that they are still there when the next engine asks
  std::vector<pid_t> of_the_first;
  engine([&](FakeProgram& self, const ipc::ControlMessage& message) {
    const bool first = engines_.size() == 1;
    if (message.kind == Control::start)
      for (std::uint64_t instance = 1; instance <= (first ? 5U : 1U); ++instance)
        ask(self, Control::server_start, "cat", instance);
    if (message.kind != Control::server_started) return;
    if (!first) return when_gone(of_the_first, terminate);
    if (starts(self).size() < 5) return;
    of_the_first = spawner_.server_pids;
    self.die();
  });
  EXPECT_EQ(run(), kExitClean);
  ASSERT_EQ(engines_.size(), 2U);
  EXPECT_EQ(of_the_first.size(), 5U);
  EXPECT_THAT(starts(*engines_[1]), ElementsAre(1U)) << "its own, and not one that came back";
  EXPECT_EQ(started(*engines_[1]->last(Control::server_started)).incarnation, 6U);
  for (const auto& [instance, how] : ends(*engines_[1])) EXPECT_EQ(instance, 1U) << how;
  EXPECT_EQ(spawner_.server_pids.size(), 6U);
  EXPECT_THAT(os::children_of_self(), IsEmpty());
}

TEST_F(InstancesTest, AReloadThatChangesTheEntryEndsThemAndLeavesTheSharedOneToTheEngine) {
  std::vector<pid_t> before;
  engine([&](FakeProgram& self, const ipc::ControlMessage& message) {
    if (message.kind == Control::start)
      for (const std::uint64_t instance : {0U, 1U, 2U}) ask(self, Control::server_start, "cat", instance);
    if (message.kind == Control::server_started && starts(self).size() == 3) {
      before = spawner_.server_pids;
      config_.servers[0].fingerprint = "2";
      config_.servers[0].args = {"-u"};
      admin(self, "reload");
    }
    if (message.kind == Control::server_exited && ends(self).size() == 2) ask(self, Control::server_start, "cat", 3);
    if (message.kind == Control::server_started && starts(self).size() == 4) {
      EXPECT_EQ(::kill(before[0], 0), 0) << "the shared one";
      terminate();
    }
  });
  EXPECT_EQ(run(), kExitClean);
  EXPECT_THAT(engines_[0]->received(),
              ElementsAre("settings", "audit_file", "channel", "start", "server_started", "server_started",
                          "server_started", "settings", "admin_answer", "server_exited", "server_exited",
                          "server_started", "drain", "server_exited", "server_exited"));
  EXPECT_THAT(starts(*engines_[0]), ElementsAre(0U, 1U, 2U, 3U));
  EXPECT_THAT(spawner_.requests.back().arguments, ElementsAre("clawql-run", "--", "cat", "-u"));
  const auto settings =
      ipc::from_json<ipc::EngineSettings>(*ipc::read_payload_fd(engines_[0]->last(Control::settings)->fds.at(0).get()));
  ASSERT_TRUE(settings);
  EXPECT_EQ(settings->servers.at(0).isolation, "session");
  EXPECT_EQ(settings->servers.at(0).max_instances, 8U);
  EXPECT_EQ(settings->servers.at(0).instance_idle_seconds, 300U);
}

TEST_F(InstancesTest, AReloadThatChangesAnotherEntryLeavesThemAlone) {
  config::Server other = config_.servers[0];
  other.name = "dog";
  config_.servers.push_back(other);
  engine([&](FakeProgram& self, const ipc::ControlMessage& message) {
    if (message.kind == Control::start) {
      ask(self, Control::server_start, "cat", 1);
      ask(self, Control::server_start, "dog", 2);
    }
    if (message.kind == Control::server_started && starts(self).size() == 2) {
      config_.servers.pop_back();
      admin(self, "reload");
    }
    if (message.kind != Control::server_exited || exited(message).instance != 2) return;
    EXPECT_EQ(::kill(spawner_.server_pids[0], 0), 0);
    terminate();
  });
  EXPECT_EQ(run(), kExitClean);
  EXPECT_THAT(first_end(*engines_[0]), Pair(2U, Not(StartsWith("could not"))));
}

TEST_F(InstancesTest, ADrainEndsThemAll) {
  spawner_.server_script = "exec sleep 1000";
  engine([&](FakeProgram& self, const ipc::ControlMessage& message) {
    if (message.kind == Control::start)
      for (const std::uint64_t instance : {0U, 1U, 2U, 3U}) ask(self, Control::server_start, "cat", instance);
    if (message.kind == Control::server_started && starts(self).size() == 4) terminate();
    if (message.kind == Control::drain) ask(self, Control::server_start, "cat", 4);
  });
  EXPECT_EQ(run(), kExitClean);
  EXPECT_EQ(ends(*engines_[0]).size(), 4U);
  for (const auto& message : engines_[0]->messages)
    if (message.kind == Control::server_exited) EXPECT_EQ(exited(message).retry_ms, 0U);
  EXPECT_EQ(spawner_.server_pids.size(), 4U) << "nothing is started any more";
  EXPECT_THAT(os::children_of_self(), IsEmpty());
}

TEST_F(InstancesTest, AnOperatorRestartsAllThatRunAndStartsNone) {
  std::vector<ipc::AdminAnswer> answers;
  engine([&](FakeProgram& self, const ipc::ControlMessage& message) {
    if (message.kind == Control::start)
      for (const std::uint64_t instance : {1U, 2U}) ask(self, Control::server_start, "cat", instance);
    if (message.kind == Control::server_started && starts(self).size() == 2) {
      admin(self, "start", "cat");
      admin(self, "restart", "cat");
    }
    if (message.kind == Control::admin_answer) answers.push_back(answer(message));
    if (message.kind == Control::server_started && starts(self).size() == 4) terminate();
  });
  EXPECT_EQ(run(), kExitClean);
  ASSERT_EQ(answers.size(), 2U);
  EXPECT_FALSE(answers[0].ok);
  EXPECT_THAT(answers[0].text, HasSubstr("its instances start with those who use it"));
  EXPECT_TRUE(answers[1].ok);
  EXPECT_THAT(starts(*engines_[0]), testing::UnorderedElementsAre(1U, 2U, 1U, 2U));
}

}  // namespace
}  // namespace clawql::supervisor
