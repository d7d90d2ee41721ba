// Drives a server with the client of the Go SDK, in the era that it chooses itself (it asks for 2026-07-28 first):
// `client http URL` or `client stdio COMMAND ARGS…`. Plan and answers as in drivers/features.mjs.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

const modern = "2026-07-28"

type step struct {
	Tool      string         `json:"tool"`
	Arguments map[string]any `json:"arguments"`
	Expect    string         `json:"expect"`
}

type check struct {
	step
	Server     string                     `json:"server"`
	Feature    string                     `json:"feature"`
	URI        string                     `json:"uri"`
	Template   string                     `json:"template"`
	Item       string                     `json:"item"`
	ItemExpect string                     `json:"itemExpect"`
	Prompt     string                     `json:"prompt"`
	Level      mcp.LoggingLevel           `json:"level"`
	Least      int                        `json:"least"`
	Patience   int                        `json:"patience"` // seconds
	Ref        *mcp.CompleteReference     `json:"ref"`
	Argument   mcp.CompleteParamsArgument `json:"argument"`
	Observe    *step                      `json:"observe"`
	Afterwards *step                      `json:"afterwards"`
}

// seen is what arrived from the server outside of answers.
type seen struct {
	mutex    sync.Mutex
	progress map[any]int
	updates  []string
	logs     []string
}

func (s *seen) add(what func()) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	what()
}

func (s *seen) has(what func() bool) bool {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	return what()
}

func until(patience time.Duration, what string, truth func() bool) error {
	for end := time.Now().Add(patience); !truth(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			return fmt.Errorf("not within %v: %s", patience, what)
		}
	}
	return nil
}

func textOf(result *mcp.CallToolResult) string {
	var text strings.Builder
	for _, part := range result.Content {
		if one, is := part.(*mcp.TextContent); is {
			text.WriteString(one.Text)
		}
	}
	return text.String()
}

type driver struct {
	session *mcp.ClientSession
	seen    *seen
	tokens  int
}

func (d *driver) modern() bool { return d.session.InitializeResult().ProtocolVersion == modern }

func (d *driver) call(ctx context.Context, one step, meta mcp.Meta) (string, error) {
	result, err := d.session.CallTool(ctx, &mcp.CallToolParams{Name: one.Tool, Arguments: orEmpty(one.Arguments), Meta: meta})
	if err != nil {
		return "", err
	}
	text := textOf(result)
	if result.IsError || !strings.Contains(text, one.Expect) {
		return text, fmt.Errorf("the tool answered %q", text)
	}
	return text, nil
}

func orEmpty(arguments map[string]any) map[string]any {
	if arguments == nil {
		return map[string]any{}
	}
	return arguments
}

func (d *driver) token() string {
	d.tokens++
	return fmt.Sprintf("token-%d", d.tokens)
}

func (d *driver) tools(ctx context.Context, one check) error {
	for tool, err := range d.session.Tools(ctx, nil) {
		if err != nil {
			return err
		}
		if tool.Name == one.Tool {
			_, err = d.call(ctx, one.step, nil)
			return err
		}
	}
	return fmt.Errorf("%s is not listed", one.Tool)
}

func (d *driver) resources(ctx context.Context, one check) error {
	listed, template := false, false
	for resource, err := range d.session.Resources(ctx, nil) {
		if err != nil {
			return err
		}
		listed = listed || resource.URI == one.URI
	}
	for found, err := range d.session.ResourceTemplates(ctx, nil) {
		if err != nil {
			return err
		}
		template = template || found.URITemplate == one.Template
	}
	if !listed || !template {
		return fmt.Errorf("%s listed: %v, %s listed: %v", one.URI, listed, one.Template, template)
	}
	for uri, expect := range map[string]string{one.URI: one.Expect, one.Item: one.ItemExpect} {
		result, err := d.session.ReadResource(ctx, &mcp.ReadResourceParams{URI: uri})
		if err != nil {
			return err
		}
		if len(result.Contents) == 0 || !strings.Contains(result.Contents[0].Text, expect) {
			return fmt.Errorf("%s is not %q", uri, expect)
		}
	}
	return nil
}

func (d *driver) prompts(ctx context.Context, one check) error {
	listed := false
	for prompt, err := range d.session.Prompts(ctx, nil) {
		if err != nil {
			return err
		}
		listed = listed || prompt.Name == one.Prompt
	}
	if !listed {
		return fmt.Errorf("%s is not listed", one.Prompt)
	}
	arguments := map[string]string{}
	for key, value := range one.Arguments {
		arguments[key] = fmt.Sprint(value)
	}
	result, err := d.session.GetPrompt(ctx, &mcp.GetPromptParams{Name: one.Prompt, Arguments: arguments})
	if err != nil {
		return err
	}
	if text := result.Messages[0].Content.(*mcp.TextContent).Text; !strings.Contains(text, one.Expect) {
		return fmt.Errorf("the prompt is %q", text)
	}
	return nil
}

func (d *driver) progress(ctx context.Context, one check) error {
	token := d.token()
	if _, err := d.call(ctx, one.step, mcp.Meta{"progressToken": token}); err != nil {
		return err
	}
	return until(3*time.Second, "the progress notifications", func() bool {
		return d.seen.has(func() bool { return d.seen.progress[token] >= one.Least })
	})
}

func (d *driver) cancellation(ctx context.Context, one check) error {
	token, ended := d.token(), make(chan error, 1)
	cancellable, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		_, err := d.call(cancellable, one.step, mcp.Meta{"progressToken": token})
		ended <- err
	}()
	if err := until(20*time.Second, "the call is running", func() bool {
		return d.seen.has(func() bool { return d.seen.progress[token] > 0 })
	}); err != nil {
		return err
	}
	cancel()
	if err := <-ended; err == nil {
		return fmt.Errorf("the cancelled call was answered")
	}
	if one.Observe == nil {
		_, err := d.call(ctx, *one.Afterwards, nil)
		return err
	}
	return until(8*time.Second, "the server saw the cancellation", func() bool {
		_, err := d.call(ctx, *one.Observe, nil)
		return err == nil
	})
}

func (d *driver) subscriptions(ctx context.Context, one check) error {
	if err := d.session.Subscribe(ctx, &mcp.SubscribeParams{URI: one.URI}); err != nil {
		return err
	}
	updated := func() bool { return d.seen.has(func() bool { return slices.Contains(d.seen.updates, one.URI) }) }
	_, err := d.call(ctx, one.step, nil)
	if err == nil {
		err = until(time.Duration(one.Patience)*time.Second, "the update of the resource", func() bool {
			// Subscribe does not wait for the server in 2026-07-28: what can be changed again is changed until it was seen.
			if !updated() && one.Afterwards == nil {
				_, _ = d.call(ctx, one.step, nil)
			}
			return updated()
		})
	}
	if one.Afterwards != nil {
		_, after := d.call(ctx, *one.Afterwards, nil)
		if err == nil {
			err = after
		}
	}
	if unsubscribed := d.session.Unsubscribe(ctx, &mcp.UnsubscribeParams{URI: one.URI}); err == nil {
		err = unsubscribed
	}
	return err
}

func (d *driver) logging(ctx context.Context, one check) error {
	var meta mcp.Meta
	if d.modern() {
		meta = mcp.Meta{"io.modelcontextprotocol/logLevel": one.Level}
	} else if d.session.InitializeResult().Capabilities.Logging != nil {
		if err := d.session.SetLoggingLevel(ctx, &mcp.SetLoggingLevelParams{Level: one.Level}); err != nil {
			return err
		}
	}
	_, err := d.call(ctx, step{Tool: one.Tool}, meta)
	if err == nil {
		err = until(8*time.Second, "the log message", func() bool {
			return d.seen.has(func() bool {
				return slices.ContainsFunc(d.seen.logs, func(line string) bool { return strings.Contains(line, one.Expect) })
			})
		})
	}
	if one.Afterwards != nil {
		_, after := d.call(ctx, *one.Afterwards, nil)
		if err == nil {
			err = after
		}
	}
	return err
}

func (d *driver) completion(ctx context.Context, one check) error {
	result, err := d.session.Complete(ctx, &mcp.CompleteParams{Ref: one.Ref, Argument: one.Argument})
	if err != nil {
		return err
	}
	if !slices.Contains(result.Completion.Values, one.Expect) {
		return fmt.Errorf("completed with %v", result.Completion.Values)
	}
	return nil
}

func (d *driver) try(ctx context.Context, one check) error {
	ctx, stop := context.WithTimeout(ctx, 20*time.Second)
	defer stop()
	switch one.Feature {
	case "tools":
		return d.tools(ctx, one)
	case "resources":
		return d.resources(ctx, one)
	case "prompts":
		return d.prompts(ctx, one)
	case "progress":
		return d.progress(ctx, one)
	case "cancellation":
		return d.cancellation(ctx, one)
	case "subscriptions":
		return d.subscriptions(ctx, one)
	case "logging":
		return d.logging(ctx, one)
	case "completion":
		return d.completion(ctx, one)
	}
	_, err := d.call(ctx, one.step, nil) // sampling, elicitation, roots
	return err
}

func newClient(arrived *seen) *mcp.Client {
	client := mcp.NewClient(&mcp.Implementation{Name: "interop-driver", Version: "1.0.0"}, &mcp.ClientOptions{
		CreateMessageHandler: func(context.Context, *mcp.CreateMessageRequest) (*mcp.CreateMessageResult, error) {
			return &mcp.CreateMessageResult{Role: "assistant", Model: "driver", Content: &mcp.TextContent{Text: "answered by the client"}}, nil
		},
		ElicitationHandler: func(context.Context, *mcp.ElicitRequest) (*mcp.ElicitResult, error) {
			return &mcp.ElicitResult{Action: "accept", Content: map[string]any{"name": "Ada"}}, nil
		},
		ProgressNotificationHandler: func(_ context.Context, request *mcp.ProgressNotificationClientRequest) {
			arrived.add(func() { arrived.progress[request.Params.ProgressToken]++ })
		},
		ResourceUpdatedHandler: func(_ context.Context, request *mcp.ResourceUpdatedNotificationRequest) {
			arrived.add(func() { arrived.updates = append(arrived.updates, request.Params.URI) })
		},
		LoggingMessageHandler: func(_ context.Context, request *mcp.LoggingMessageRequest) {
			arrived.add(func() { arrived.logs = append(arrived.logs, fmt.Sprint(request.Params.Data)) })
		},
	})
	client.AddRoots(&mcp.Root{URI: "file:///interop/root", Name: "root"})
	return client
}

func main() {
	ctx := context.Background()
	var transport mcp.Transport = &mcp.StreamableClientTransport{Endpoint: os.Args[2]}
	if os.Args[1] == "stdio" {
		command := exec.Command(os.Args[2], os.Args[3:]...)
		command.Stderr = os.Stderr
		transport = &mcp.CommandTransport{Command: command}
	}
	var plan []check
	if err := json.NewDecoder(os.Stdin).Decode(&plan); err != nil {
		log.Fatal(err)
	}
	arrived := &seen{progress: map[any]int{}}
	session, err := newClient(arrived).Connect(ctx, transport, nil)
	if err != nil {
		log.Fatal(err)
	}
	run := &driver{session: session, seen: arrived}
	for _, one := range plan {
		why := ""
		if err := run.try(ctx, one); err != nil {
			why = strings.Join(strings.Fields(err.Error()), " ")
		}
		line, _ := json.Marshal(map[string]any{"server": one.Server, "feature": one.Feature, "ok": why == "", "why": why})
		fmt.Println(string(line))
	}
	_ = session.Close()
}
