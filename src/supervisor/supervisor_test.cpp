// The conductor: its door, its engine, servers, reload, and the end.
#include "supervisor/test_bench.hpp"

namespace clawql::supervisor {
namespace {

using ipc::Control;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing_support::FakeProgram;
using SupervisorTest = testing_support::SupervisorTest;

TEST_F(SupervisorTest, ChildrenGetWhatTheyNeedInOrderAndACleanEnd) {
  config_.threads = {2, 2};
  int ready = 0;
  script_ = [&](FakeProgram&, const ipc::ControlMessage& message) {
    if (message.kind == Control::start && ++ready == 2) terminate();
  };
  EXPECT_EQ(run(), kExitClean);
  EXPECT_THAT(doors_[0]->received(), ElementsAre("settings", "listener", "listener", "channel", "channel", "channel",
                                                 "channel", "start", "drain"));
  EXPECT_THAT(engines_[0]->received(),
              ElementsAre("settings", "audit_file", "channel", "channel", "channel", "channel", "start", "drain"));
  const auto settings =
      ipc::from_json<ipc::DoorSettings>(*ipc::read_payload_fd(doors_[0]->messages[0].fds.at(0).get()));
  ASSERT_TRUE(settings);
  EXPECT_EQ(settings->listeners.size(), 2U);
  EXPECT_EQ(settings->listeners[0].kind, "unix");
  EXPECT_EQ(settings->listeners[1].kind, "admin");
  EXPECT_FALSE(std::filesystem::exists(config_.unix_listener.path)) << "the socket stays behind";
  EXPECT_THAT(os::children_of_self(), IsEmpty());
}

TEST_F(SupervisorTest, ChildrenAreStartedWithNothingButTheirControlSocket) {
  script_ = [&](FakeProgram&, const ipc::ControlMessage& message) {
    if (message.kind == Control::start) terminate();
  };
  run();
  ASSERT_EQ(spawner_.requests.size(), 2U);
  EXPECT_EQ(spawner_.requests[0].program, "/libexec/clawql-door");
  EXPECT_THAT(spawner_.requests[0].arguments, ElementsAre("clawql-door", "--log-format", "json"));
  EXPECT_THAT(spawner_.requests[0].environment, IsEmpty());
  EXPECT_EQ(spawner_.requests[0].fds.size(), 4U);
  EXPECT_EQ(spawner_.requests[0].fds[0], -1);
  EXPECT_EQ(spawner_.requests[0].fds[1], spawner_.requests[0].fds[2]);
}

TEST_F(SupervisorTest, AServerIsStartedByNameAndItsPipesAreHandedOver) {
  std::string echoed;
  script_ = [&](FakeProgram& self, const ipc::ControlMessage& message) {
    if (!is_engine(self)) return;
    if (message.kind == Control::start) ask(self, Control::server_start, "cat");
    if (message.kind == Control::server_started) {
      EXPECT_EQ(message.fds.size(), 3U);
      EXPECT_EQ(::write(message.fds[0].get(), "hi\n", 3), 3);
      EXPECT_NE(::fcntl(message.fds[1].get(), F_GETFL) & O_NONBLOCK, 0);
      char room[8];
      ssize_t got = -1;
      while (got < 0) got = ::read(message.fds[1].get(), room, sizeof room);
      echoed.assign(room, static_cast<std::size_t>(got));
      ask(self, Control::server_stop, "cat");
    }
    if (message.kind == Control::server_exited) terminate();
  };
  EXPECT_EQ(run(), kExitClean);
  EXPECT_EQ(echoed, "hi\n");
  EXPECT_EQ(exited(*engines_[0]->last(Control::server_exited)).retry_ms, 0U);
  const os::SpawnRequest& request = spawner_.requests[2];
  EXPECT_THAT(request.arguments, ElementsAre("clawql-run", "--", "cat"));
  EXPECT_EQ(request.fds.size(), 5U);
  EXPECT_EQ(request.parent_death_signal, SIGTERM);
}

TEST_F(SupervisorTest, AServerThatFailsComesBackWithGrowingPauses) {
  spawner_.server_script = "exit 3";
  std::vector<std::uint64_t> pauses, incarnations;
  script_ = [&](FakeProgram& self, const ipc::ControlMessage& message) {
    if (!is_engine(self)) return;
    if (message.kind == Control::start) ask(self, Control::server_start, "cat");
    if (message.kind != Control::server_exited) return;
    const auto how = exited(message);
    EXPECT_EQ(how.how, "exited with status 3");
    pauses.push_back(how.retry_ms);
    incarnations.push_back(how.incarnation);
    // Asking does not shorten the pause.
    if (pauses.size() == 1) ask(self, Control::server_start, "cat");
    if (pauses.size() == 2) terminate();
  };
  EXPECT_EQ(run(), kExitClean);
  EXPECT_THAT(pauses, ElementsAre(250U, 500U));
  EXPECT_THAT(incarnations, ElementsAre(1U, 2U));
}

TEST_F(SupervisorTest, TheLaunchersReportSaysWhyAServerCouldNotStart) {
  spawner_.server_script = "echo 'npx: No such file or directory' >&4; exit 127";
  script_ = [&](FakeProgram& self, const ipc::ControlMessage& message) {
    if (is_engine(self) && message.kind == Control::start) ask(self, Control::server_start, "cat");
    if (message.kind == Control::server_exited) terminate();
  };
  run();
  EXPECT_EQ(exited(*engines_[0]->last(Control::server_exited)).how,
            "could not be started: npx: No such file or directory");
}

TEST_F(SupervisorTest, UnknownAndDisabledServersAreRefusedWithAReason) {
  config::Server off = config_.servers[0];
  off.name = "off";
  off.disabled = true;
  config_.servers.push_back(off);
  std::vector<std::string> reasons;
  script_ = [&](FakeProgram& self, const ipc::ControlMessage& message) {
    if (!is_engine(self)) return;
    if (message.kind == Control::start) {
      ask(self, Control::server_start, "off");
      ask(self, Control::server_start, "/bin/sh");
    }
    if (message.kind != Control::server_exited) return;
    reasons.push_back(exited(message).how);
    if (reasons.size() == 2) terminate();
  };
  run();
  EXPECT_THAT(reasons, ElementsAre(HasSubstr("disabled"), HasSubstr("no such server")));
  EXPECT_EQ(spawner_.requests.size(), 2U) << "something was started";
}

TEST_F(SupervisorTest, ADeadDoorComesBackWithItsListenersAndNewChannels) {
  script_ = [&](FakeProgram& self, const ipc::ControlMessage& message) {
    if (message.kind != Control::start || is_engine(self)) return;
    if (doors_.size() == 1) return self.die();
    terminate();
  };
  EXPECT_EQ(run(), kExitClean);
  ASSERT_EQ(doors_.size(), 2U);
  EXPECT_EQ(engines_.size(), 1U);
  EXPECT_THAT(doors_[1]->received(), ElementsAre("settings", "listener", "listener", "channel", "start", "drain"));
  EXPECT_THAT(engines_[0]->received(), ElementsAre("settings", "audit_file", "channel", "start", "channel", "drain"));
}

TEST_F(SupervisorTest, TheServersEndWithTheEngineAndANewOneStartsThemAgain) {
  std::vector<pid_t> servers;
  script_ = [&](FakeProgram& self, const ipc::ControlMessage& message) {
    if (!is_engine(self)) return;
    if (message.kind == Control::start) ask(self, Control::server_start, "cat");
    if (message.kind != Control::server_started) return;
    if (engines_.size() == 1) return self.die();
    terminate();
  };
  EXPECT_EQ(run(), kExitClean);
  ASSERT_EQ(engines_.size(), 2U);
  EXPECT_EQ(ipc::from_json<ipc::ServerMessage>(engines_[1]->last(Control::server_started)->payload)->incarnation, 2U);
  EXPECT_THAT(os::children_of_self(), IsEmpty());
}

TEST_F(SupervisorTest, AnOrphanOfADeadLauncherIsEnded) {
  // The "launcher" leaves a grandchild behind that holds the server's stdout.
  spawner_.server_script = "setsid sleep 1000 & exit 0";
  int exits = 0;
  ssize_t got = -1;
  script_ = [&](FakeProgram& self, const ipc::ControlMessage& message) {
    if (!is_engine(self)) return;
    if (message.kind == Control::start) ask(self, Control::server_start, "cat");
    if (message.kind != Control::server_exited || ++exits < 2) return;
    for (const auto& earlier : self.messages) {
      if (earlier.kind != Control::server_started) continue;
      char room[8];
      got = ::read(earlier.fds.at(1).get(), room, sizeof room);
      break;
    }
    terminate();
  };
  EXPECT_EQ(run(), kExitClean);
  EXPECT_EQ(got, 0) << "the first server's grandchild still held its stdout while the gateway served on";
  EXPECT_THAT(os::children_of_self(), IsEmpty());
}

TEST_F(SupervisorTest, ABadFileChangesNothingAndSaysWhy) {
  ipc::AdminAnswer reply;
  script_ = [&](FakeProgram& self, const ipc::ControlMessage& message) {
    if (!is_engine(self)) return;
    if (message.kind == Control::start) {
      load_error_ = "/etc/clawql/clawql.yaml:3:7: unknown key";
      admin(self, "reload");
    }
    if (message.kind != Control::admin_answer) return;
    reply = answer(message);
    terminate();
  };
  EXPECT_EQ(run(), kExitClean);
  EXPECT_FALSE(reply.ok);
  EXPECT_EQ(reply.token, 7U);
  EXPECT_EQ(reply.text, R"({"error":"/etc/clawql/clawql.yaml:3:7: unknown key"})");
  EXPECT_THAT(engines_[0]->received(),
              ElementsAre("settings", "audit_file", "channel", "start", "admin_answer", "drain"));
}

TEST_F(SupervisorTest, AGoodFileIsSentToBothAndListenersComeAndGo) {
  const std::string before = config_.unix_listener.path;
  const std::string after = folder_ + "/run/other.sock";
  script_ = [&](FakeProgram& self, const ipc::ControlMessage& message) {
    if (is_engine(self) && message.kind == Control::start) {
      config_.unix_listener.path = after;
      config_.admin.path = folder_ + "/run/admin/admin.sock";
      config_.allowed_hosts = {"gateway.example"};
      ::kill(::getpid(), SIGHUP);
    }
    if (!is_engine(self) && message.kind == Control::close_listener) {
      EXPECT_TRUE(std::filesystem::exists(after));
      EXPECT_FALSE(std::filesystem::exists(before));
      terminate();
    }
  };
  EXPECT_EQ(run(), kExitClean);
  EXPECT_THAT(doors_[0]->received(), ElementsAre("settings", "listener", "listener", "channel", "start", "settings",
                                                 "listener", "close_listener", "drain"));
  const auto settings =
      ipc::from_json<ipc::DoorSettings>(*ipc::read_payload_fd(doors_[0]->last(Control::settings)->fds.at(0).get()));
  EXPECT_EQ(settings->generation, 2U);
  EXPECT_THAT(settings->allowed_hosts, ElementsAre("gateway.example"));
  EXPECT_NE(engines_[0]->last(Control::settings), &engines_[0]->messages[0]);
}

TEST_F(SupervisorTest, AServerThatIsGoneFromTheFileIsStopped) {
  script_ = [&](FakeProgram& self, const ipc::ControlMessage& message) {
    if (!is_engine(self)) return;
    if (message.kind == Control::start) ask(self, Control::server_start, "cat");
    if (message.kind == Control::server_started) {
      config_.servers.clear();
      admin(self, "reload");
    }
    if (message.kind == Control::server_exited) terminate();
  };
  EXPECT_EQ(run(), kExitClean);
  EXPECT_EQ(exited(*engines_[0]->last(Control::server_exited)).retry_ms, 0U);
}

TEST_F(SupervisorTest, ThreadsAndUserChangeOnlyAtARestart) {
  std::vector<std::string> replies;
  script_ = [&](FakeProgram& self, const ipc::ControlMessage& message) {
    if (!is_engine(self)) return;
    if (message.kind == Control::start) {
      config_.threads = {2, 1};
      admin(self, "reload");
    }
    if (message.kind != Control::admin_answer) return;
    replies.push_back(answer(message).text);
    if (replies.size() == 2) return terminate();
    config_.threads = {1, 1};
    config_.user = "nobody";
    admin(self, "reload");
  };
  EXPECT_EQ(run(), kExitClean);
  EXPECT_THAT(replies, ElementsAre(HasSubstr("threads: they change only at a restart"),
                                   HasSubstr("user: it changes only at a restart")));
}

TEST_F(SupervisorTest, TheStatusNamesListenersProcessesServersAndFindings) {
  ipc::AdminAnswer reply;
  layer_in_force_ = false;
  script_ = [&](FakeProgram& self, const ipc::ControlMessage& message) {
    if (!is_engine(self)) return;
    if (message.kind == Control::start) ask(self, Control::server_start, "cat");
    if (message.kind == Control::server_started) admin(self, "status");
    if (message.kind != Control::admin_answer) return;
    reply = answer(message);
    terminate();
  };
  run();
  EXPECT_TRUE(reply.ok);
  EXPECT_THAT(reply.text, HasSubstr(R"("generation":1,"listeners":[{"id":1,"kind":"unix","label":"unix:)"));
  EXPECT_THAT(reply.text, HasSubstr(R"({"name":"door","pid":)"));
  EXPECT_THAT(reply.text, HasSubstr(R"("layers":[{"name":"seccomp","in_force":false,"detail":"fake"}])"));
  EXPECT_THAT(reply.text, HasSubstr(R"("servers":[{"name":"cat","pid":)"));
  EXPECT_THAT(reply.text, HasSubstr(R"("state":"running")"));
  EXPECT_THAT(reply.text, HasSubstr("sandbox.layer-missing"));
}

TEST_F(SupervisorTest, AdminRequestsBeyondTheListAreRefused) {
  std::vector<bool> outcomes;
  script_ = [&](FakeProgram& self, const ipc::ControlMessage& message) {
    if (!is_engine(self)) return;
    if (message.kind == Control::start) {
      admin(self, "stop", "cat");
      admin(self, "start", "no-such-server");
      admin(self, "restart", "cat");
    }
    if (message.kind == Control::admin_answer) outcomes.push_back(answer(message).ok);
    if (outcomes.size() == 3) terminate();
  };
  run();
  EXPECT_THAT(outcomes, ElementsAre(false, false, true));
}

TEST_F(SupervisorTest, AMessageThatIsNotItsOwnEndsAChild) {
  script_ = [&](FakeProgram& self, const ipc::ControlMessage& message) {
    if (is_engine(self) || message.kind != Control::start) return;
    if (doors_.size() > 1) return terminate();
    // A door that was taken over asks for what only the engine may.
    ask(self, Control::server_start, "cat");
  };
  EXPECT_EQ(run(), kExitClean);
  EXPECT_EQ(doors_.size(), 2U);
  for (const auto& request : spawner_.requests) EXPECT_NE(request.arguments[0], "clawql-run");
}

TEST_F(SupervisorTest, AMissingLayerIsFatalWhereTheSandboxIsRequired) {
  config_.require_sandbox = true;
  layer_in_force_ = false;
  EXPECT_EQ(run(), kExitRefused);
  EXPECT_THAT(os::children_of_self(), IsEmpty());
}

TEST_F(SupervisorTest, AProgramThatNeverBecomesReadyEndsTheStart) {
  says_ready_ = false;
  script_ = [&](FakeProgram& self, const ipc::ControlMessage& message) {
    if (!is_engine(self) && message.kind == Control::start) self.die();
  };
  EXPECT_EQ(run(), kExitRefused);
  EXPECT_EQ(doors_.size(), 3U);
}

TEST_F(SupervisorTest, ARefusedPostureStartsNothing) {
  config_.http = {{"0.0.0.0", 8080}};
  EXPECT_EQ(run(), kExitRefused);
  EXPECT_THAT(spawner_.requests, IsEmpty());
}

TEST_F(SupervisorTest, AFullAuditFileIsReplacedOnRequest) {
  config_.audit.file_bytes = 4;
  script_ = [&](FakeProgram& self, const ipc::ControlMessage& message) {
    if (!is_engine(self)) return;
    if (message.kind == Control::audit_file && self.messages.size() <= 2) {
      EXPECT_EQ(::write(message.fds.at(0).get(), "full", 4), 4);
    }
    if (message.kind == Control::start) self.control.send(Control::next_audit_file);
    if (message.kind == Control::audit_file && self.messages.size() > 2) terminate();
  };
  EXPECT_EQ(run(), kExitClean);
  EXPECT_EQ(std::filesystem::file_size(config_.audit.path), 0U);
  EXPECT_EQ(std::filesystem::file_size(config_.audit.path + ".1"), 4U);
}

}  // namespace
}  // namespace clawql::supervisor
