// Package client is the Go client of a Copra server: the whole Coconut API v2
// and everything that Copra adds to it. It uses the standard library only.
//
// # Connect
//
// A [Client] speaks to one server with one API key. It is safe for concurrent
// use; a program usually needs one.
//
//	c, err := client.New(client.Options{
//		BaseURL: "http://localhost:8080/v2",
//		APIKey:  os.Getenv("COPRA_API_KEY"),
//	})
//
// # Create a job
//
// [Client.CreateJob] sends a [JobRequest]. Its structs have a field for every
// member that the API knows. Where a member may also be an expression, or is
// newer than this package, the Extra map of the struct takes it, and wins over
// the field of the same name:
//
//	job, err := c.CreateJob(ctx, &client.JobRequest{
//		IdempotencyKey: "film-4711",
//		Input:          client.Input{URL: "https://example.com/in.mov"},
//		Storage:        &client.Storage{Service: "coconut"},
//		Outputs: client.Outputs{
//			"mp4:720p":   client.Video{Path: "/720p.mp4"},
//			"jpg:300x":   client.Image{Path: "/thumb_%02d.jpg", Number: 5},
//			"httpstream": client.HTTPStream{HLS: &client.HLS{Path: "/hls"}},
//		},
//	})
//
// A value of [Outputs] may also be the path as a string, a slice of several
// outputs of one format, a map or a [encoding/json.RawMessage].
// [Client.CreateJobJSON] sends a request that exists as JSON already.
//
// A local file is sent with [Client.UploadFile], or any [io.Reader] with
// [Client.Upload]; both return the address that the job names as its input.
//
// # Follow a job
//
// [Client.FollowEvents] iterates over what happens until the job has ended. It
// reconnects by itself and misses no event. [Client.Wait] returns the job when
// it has ended. [Client.Job] shows it as it stands, [Client.ListJobs] iterates
// over all jobs of the API key, [Client.Metadata] has what ffprobe found.
//
// A program that receives webhooks decodes them with [ParseNotification] and
// checks their signature with [VerifyNotification].
//
// # Errors
//
// What the server refuses is an [*Error] with the HTTP status, the code and the
// sentence of the server. [errors.Is] tells the usual cases apart:
//
//	_, err := c.Job(ctx, id)
//	if errors.Is(err, client.ErrNotFound) {
//		// no such job, or it belongs to another API key
//	}
//
// # Repeats
//
// The client repeats a request after a broken connection, a server error or
// too many requests, if the repeat can do no harm: those that only read, and
// [Client.CreateJob] with an idempotency key. Everything else is sent once.
// Options.Attempts bounds the tries.
//
// # Secrets
//
// The API key is in no error, in no text that fmt or log/slog makes of a Client
// or its Options, and is sent to the base URL only. [Credentials] print as
// [redacted] too.
package client
