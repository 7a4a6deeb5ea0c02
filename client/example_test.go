package client_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"

	"github.com/copra-video/copra/client"
)

// A local file becomes an MP4 and a picture.
func Example() {
	ctx := context.Background()
	c, err := client.New(client.Options{BaseURL: os.Getenv("COPRA_URL"), APIKey: os.Getenv("COPRA_API_KEY")})
	if err != nil {
		log.Fatal(err)
	}
	input, err := c.UploadFile(ctx, "testdata/clip.mp4")
	if err != nil {
		log.Fatal(err)
	}
	job, err := c.CreateJob(ctx, &client.JobRequest{
		Input:   client.Input{URL: input},
		Storage: &client.Storage{Service: "coconut"},
		Outputs: client.Outputs{
			"mp4:240p": client.Video{Path: "/small.mp4"},
			"jpg:160x": client.Image{Path: "/thumb.jpg", Offsets: []float64{0.5}},
		},
	})
	if err != nil {
		log.Fatal(err)
	}
	if job, err = c.Wait(ctx, job.ID); err != nil {
		log.Fatal(err)
	}
	if err := job.Err(); err != nil {
		log.Fatal(err)
	}
	fmt.Println(job.Status, job.Progress)
	for _, o := range job.Outputs {
		fmt.Println(o.Key, o.Status)
		for _, f := range o.Files() {
			size, err := c.Download(ctx, f.URL, io.Discard)
			fmt.Println("downloaded:", size > 0, err)
		}
	}
	// Output:
	// job.completed 100%
	// jpg:160x image.created
	// downloaded: true <nil>
	// mp4:240p video.encoded
	// downloaded: true <nil>
}

// The idempotency key makes it safe to send the request again, also from
// another process.
func ExampleClient_CreateJob() {
	ctx := context.Background()
	c, err := client.New(client.Options{BaseURL: os.Getenv("COPRA_URL"), APIKey: os.Getenv("COPRA_API_KEY")})
	if err != nil {
		log.Fatal(err)
	}
	request := &client.JobRequest{
		IdempotencyKey: "film-4711",
		Settings:       &client.Settings{Priority: -10},
		Input:          client.Input{URL: "http://127.0.0.1:1/film.mov"},
		Storage:        &client.Storage{Service: "coconut", Path: "/film-4711"},
		Outputs: client.Outputs{
			"mp4": []client.Video{
				{Path: "/large.mp4", Key: "large", If: "{{ input.width }} >= 1280", Format: map[string]any{"resolution": "1280x720"}},
				{Path: "/start.mp4", Key: "start", Extra: map[string]any{"duration": "{% input.duration / 10 %}"}},
			},
			"httpstream": client.HTTPStream{
				HLS:  &client.HLS{Path: "/hls"},
				DASH: &client.DASH{Path: "/dash"},
			},
		},
	}
	first, err := c.CreateJob(ctx, request)
	if err != nil {
		log.Fatal(err)
	}
	again, err := c.CreateJob(ctx, request)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("the same job:", first.ID == again.ID)

	request.Input.URL = "http://127.0.0.1:1/another.mov"
	_, err = c.CreateJob(ctx, request)
	fmt.Println("another request:", client.HasCode(err, client.CodeIdempotencyKeyReused))
	// Output:
	// the same job: true
	// another request: true
}

// What is wrong with a request is told by a code and a sentence.
func ExampleError() {
	ctx := context.Background()
	c, err := client.New(client.Options{BaseURL: os.Getenv("COPRA_URL"), APIKey: os.Getenv("COPRA_API_KEY")})
	if err != nil {
		log.Fatal(err)
	}
	_, err = c.CreateJob(ctx, &client.JobRequest{Outputs: client.Outputs{"mp4:720p": "/a.mp4"}})
	if refused, ok := errors.AsType[*client.Error](err); ok {
		fmt.Println(refused.StatusCode, refused.Code)
	}
	fmt.Println(err)

	_, err = c.Job(ctx, "AAAAAAAAAAAAAA")
	fmt.Println("not found:", errors.Is(err, client.ErrNotFound))
	// Output:
	// 400 input_not_valid
	// create job: the server refused: The job 'input' is not a valid object. (input_not_valid)
	// not found: true
}

// Events come as they take place, each once, whatever becomes of the connection.
func ExampleClient_FollowEvents() {
	ctx := context.Background()
	c, err := client.New(client.Options{BaseURL: os.Getenv("COPRA_URL"), APIKey: os.Getenv("COPRA_API_KEY")})
	if err != nil {
		log.Fatal(err)
	}
	input, err := c.UploadFile(ctx, "testdata/clip.mp4")
	if err != nil {
		log.Fatal(err)
	}
	job, err := c.CreateJob(ctx, &client.JobRequest{
		Input: client.Input{URL: input}, Storage: &client.Storage{Service: "coconut"},
		Outputs: client.Outputs{"jpg:160x": "/thumb.jpg"},
	})
	if err != nil {
		log.Fatal(err)
	}
	for u, err := range c.FollowEvents(ctx, job.ID, client.FollowOptions{}) {
		if err != nil {
			log.Fatal(err)
		}
		switch {
		case u.Progress != nil:
			// u.Progress.Progress, and that of each output
		case u.Event.Name == client.EventOutputStage:
			// u.Event.Status, such as image.processing
		case u.Event.Output != "":
			fmt.Println(u.Event.Name, u.Event.Output)
		default:
			fmt.Println(u.Event.Name)
		}
	}
	// Output:
	// job.started
	// input.probed
	// input.transferred
	// output.completed jpg:160x
	// job.completed
}

// An upload may come from any reader. The metadata tells what was in it.
func ExampleClient_Upload() {
	ctx := context.Background()
	c, err := client.New(client.Options{BaseURL: os.Getenv("COPRA_URL"), APIKey: os.Getenv("COPRA_API_KEY")})
	if err != nil {
		log.Fatal(err)
	}
	clip, err := os.Open("testdata/clip.mp4")
	if err != nil {
		log.Fatal(err)
	}
	defer clip.Close()
	input, err := c.Upload(ctx, "clip.mp4", clip, -1) // -1: to its end
	if err != nil {
		log.Fatal(err)
	}
	job, err := c.CreateJob(ctx, &client.JobRequest{
		Input: client.Input{URL: input}, Storage: &client.Storage{Service: "coconut"},
		Outputs: client.Outputs{"mp3:64k": "/sound.mp3"},
	})
	if err != nil {
		log.Fatal(err)
	}
	if _, err := c.Wait(ctx, job.ID); err != nil {
		log.Fatal(err)
	}
	found, err := c.Metadata(ctx, job.ID)
	if err != nil {
		log.Fatal(err)
	}
	for _, s := range found.Input.Streams {
		fmt.Println("input:", s.Type, s.Codec, s.Width, s.Height, s.Channels)
	}
	for _, s := range found.Output("mp3:64k").Probe.Streams {
		fmt.Println("output:", s.Type, s.Codec)
	}
	// Output:
	// input: video h264 320 180 0
	// input: audio aac 0 0 1
	// output: audio mp3
}

// The jobs of the API key that failed, whatever their number.
func ExampleClient_ListJobs() {
	ctx := context.Background()
	c, err := client.New(client.Options{BaseURL: os.Getenv("COPRA_URL"), APIKey: os.Getenv("COPRA_API_KEY")})
	if err != nil {
		log.Fatal(err)
	}
	for job, err := range c.ListJobs(ctx, client.ListOptions{Status: client.JobFailed, Limit: 100}) {
		if err != nil {
			log.Fatal(err)
		}
		if job.Error == "cancelled" {
			continue
		}
		if _, err := c.Retry(ctx, job.ID); err != nil && !errors.Is(err, client.ErrConflict) {
			log.Fatal(err)
		}
	}
	fmt.Println("done")
	// Output:
	// done
}

// A receiver of webhooks. With a signing secret for the API key (copra keys
// create --signing) it calls VerifyNotification first.
func ExampleParseNotification() {
	ctx := context.Background()
	ended := make(chan *client.Notification, 8)
	hook := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 4<<20))
		if err != nil {
			return
		}
		n, err := client.ParseNotification(body)
		if err != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		w.WriteHeader(http.StatusNoContent)
		ended <- n
	}))
	defer hook.Close()

	c, err := client.New(client.Options{BaseURL: os.Getenv("COPRA_URL"), APIKey: os.Getenv("COPRA_API_KEY")})
	if err != nil {
		log.Fatal(err)
	}
	job, err := c.CreateJob(ctx, &client.JobRequest{
		Input:        client.Input{URL: hook.URL + "/nothing.mp4"},
		Storage:      &client.Storage{Service: "coconut"},
		Outputs:      client.Outputs{"mp4:720p": "/a.mp4"},
		Notification: &client.NotificationRequest{URL: hook.URL},
	})
	if err != nil {
		log.Fatal(err)
	}
	n := <-ended
	fmt.Println(n.Event, n.JobID == job.ID, n.Job.Input.Status)
	fmt.Println(strings.Contains(n.Job.Err().Error(), "input: "))
	// Output:
	// job.failed true input.failed
	// true
}
