// The features of the matrix on the Go SDK, both eras: `server NAME` serves stdio. What needs the client is written once,
// as a result that asks; the SDK makes requests of it in the handshake era.
package main

import (
	"context"
	"fmt"
	"log"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

type nothing struct{}

type message struct {
	Message string `json:"message"`
}

type mark struct {
	Mark string `json:"mark"`
}

func text(format string, values ...any) *mcp.CallToolResult {
	return &mcp.CallToolResult{Content: []mcp.Content{&mcp.TextContent{Text: fmt.Sprintf(format, values...)}}}
}

func addTool[In any](server *mcp.Server, name, description string, run func(context.Context, *mcp.CallToolRequest, In) (*mcp.CallToolResult, error)) {
	mcp.AddTool(server, &mcp.Tool{Name: name, Description: description}, func(ctx context.Context, request *mcp.CallToolRequest, given In) (*mcp.CallToolResult, any, error) {
		result, err := run(ctx, request, given)
		return result, nil, err
	})
}

// addAsk adds a tool that needs one answer of the client.
func addAsk(server *mcp.Server, name, description string, ask mcp.InputRequest, finish func(mcp.InputResponse) string) {
	addTool(server, name, description, func(_ context.Context, request *mcp.CallToolRequest, _ nothing) (*mcp.CallToolResult, error) {
		given, answered := request.Params.InputResponses["asked"]
		if !answered {
			return &mcp.CallToolResult{InputRequests: mcp.InputRequestMap{"asked": ask}}, nil
		}
		return text("%s", finish(given)), nil
	})
}

func report(ctx context.Context, request *mcp.CallToolRequest, progress, total float64) {
	if token := request.Params.GetProgressToken(); token != nil {
		_ = request.Session.NotifyProgress(ctx, &mcp.ProgressNotificationParams{ProgressToken: token, Progress: progress, Total: total})
	}
}

func addAsks(server *mcp.Server) {
	addAsk(server, "ask_sampling", "Asks the client for a completion",
		&mcp.CreateMessageParams{MaxTokens: 20, Messages: []*mcp.SamplingMessage{{Role: "user", Content: &mcp.TextContent{Text: "Say something"}}}},
		func(given mcp.InputResponse) string {
			switch result := given.(type) {
			case *mcp.CreateMessageResult:
				return "sampled: " + result.Content.(*mcp.TextContent).Text
			case *mcp.CreateMessageWithToolsResult:
				return "sampled: " + result.Content[0].(*mcp.TextContent).Text
			}
			return fmt.Sprintf("sampled: %T", given)
		})
	addAsk(server, "ask_elicitation", "Asks the user for a name",
		&mcp.ElicitParams{Message: "Your name?", RequestedSchema: map[string]any{
			"type": "object", "properties": map[string]any{"name": map[string]any{"type": "string"}}, "required": []string{"name"}}},
		func(given mcp.InputResponse) string {
			result := given.(*mcp.ElicitResult)
			return fmt.Sprintf("%s: %v", result.Action, result.Content["name"])
		})
	addAsk(server, "ask_roots", "Asks the client for its roots", &mcp.ListRootsParams{}, func(given mcp.InputResponse) string {
		var uris []string
		for _, root := range given.(*mcp.ListRootsResult).Roots {
			uris = append(uris, root.URI)
		}
		return "roots: " + strings.Join(uris, " ")
	})
}

func addTools(server *mcp.Server, name, note string) {
	var cancelled sync.Map
	addTool(server, "echo", "Answers with its message", func(_ context.Context, _ *mcp.CallToolRequest, given message) (*mcp.CallToolResult, error) {
		return text("%s", given.Message), nil
	})
	addTool(server, "count", "Reports progress three times", func(ctx context.Context, request *mcp.CallToolRequest, _ nothing) (*mcp.CallToolResult, error) {
		for progress := 1.0; progress <= 3; progress++ {
			report(ctx, request, progress, 3)
		}
		time.Sleep(400 * time.Millisecond) // a client of the TypeScript SDK drops progress that it reads together with the answer
		return text("counted"), nil
	})
	addTool(server, "wait", "Reports progress once, then waits to be cancelled", func(ctx context.Context, request *mcp.CallToolRequest, given mark) (*mcp.CallToolResult, error) {
		report(ctx, request, 1, 0)
		select {
		case <-ctx.Done():
			cancelled.Store(given.Mark, true)
			return nil, ctx.Err()
		case <-time.After(20 * time.Second):
			return text("waited"), nil
		}
	})
	addTool(server, "was_cancelled", "Whether that wait was cancelled", func(_ context.Context, _ *mcp.CallToolRequest, given mark) (*mcp.CallToolResult, error) {
		if _, found := cancelled.Load(given.Mark); found {
			return text("yes"), nil
		}
		return text("no"), nil
	})
	addTool(server, "touch", "Changes the note", func(ctx context.Context, _ *mcp.CallToolRequest, _ nothing) (*mcp.CallToolResult, error) {
		return text("touched"), server.ResourceUpdated(ctx, &mcp.ResourceUpdatedNotificationParams{URI: note})
	})
	addTool(server, "log", "Writes one log message", func(ctx context.Context, request *mcp.CallToolRequest, _ nothing) (*mcp.CallToolResult, error) {
		return text("logged"), request.Session.Log(ctx, &mcp.LoggingMessageParams{Level: "info", Logger: name, Data: "logged by " + name})
	})
}

func complete(_ context.Context, request *mcp.CompleteRequest) (*mcp.CompleteResult, error) {
	values := []string{}
	for _, one := range []string{"Ada", "Alan", "Grace"} {
		if strings.HasPrefix(one, request.Params.Argument.Value) {
			values = append(values, one)
		}
	}
	return &mcp.CompleteResult{Completion: mcp.CompletionResultDetails{Values: values, Total: len(values)}}, nil
}

func main() {
	name := os.Args[1]
	note, items := "interop://"+name+"/note", "interop://"+name+"/item/"
	server := mcp.NewServer(&mcp.Implementation{Name: "interop-" + name, Version: "1.0.0"}, &mcp.ServerOptions{
		CompletionHandler:  complete,
		SubscribeHandler:   func(context.Context, *mcp.SubscribeRequest) error { return nil },
		UnsubscribeHandler: func(context.Context, *mcp.UnsubscribeRequest) error { return nil },
	})
	addTools(server, name, note)
	addAsks(server)
	read := func(_ context.Context, request *mcp.ReadResourceRequest) (*mcp.ReadResourceResult, error) {
		answer := "note of " + name
		if id, found := strings.CutPrefix(request.Params.URI, items); found {
			answer = "item " + id + " of " + name
		}
		return &mcp.ReadResourceResult{Contents: []*mcp.ResourceContents{{URI: request.Params.URI, MIMEType: "text/plain", Text: answer}}}, nil
	}
	server.AddResource(&mcp.Resource{Name: "note", URI: note, MIMEType: "text/plain"}, read)
	server.AddResourceTemplate(&mcp.ResourceTemplate{Name: "item", URITemplate: items + "{id}", MIMEType: "text/plain"}, read)
	server.AddPrompt(&mcp.Prompt{Name: "greet", Description: "A greeting", Arguments: []*mcp.PromptArgument{{Name: "who", Required: true}}},
		func(_ context.Context, request *mcp.GetPromptRequest) (*mcp.GetPromptResult, error) {
			said := &mcp.TextContent{Text: fmt.Sprintf("Greet %s from %s", request.Params.Arguments["who"], name)}
			return &mcp.GetPromptResult{Messages: []*mcp.PromptMessage{{Role: "user", Content: said}}}, nil
		})
	if err := server.Run(context.Background(), &mcp.StdioTransport{}); err != nil {
		log.Print(err)
	}
}
