package console

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/copra-video/copra/api/coconut"
	"github.com/copra-video/copra/job"
)

// jobData is what the page of a job shows.
type jobData struct {
	Viewer     viewer
	Job        job.Detail
	Estimate   estimate
	Took       time.Duration // since it was created, or until it ended
	TimeLine   timeLine
	Outputs    []outputView
	Media      []mediaInfo
	Failures   []failure
	Steps      []stepView
	Tasks      taskSum
	Events     []job.RecordedEvent // newest first
	Deliveries []job.DeliveryLog
	Finished   bool
	Retryable  bool
	Live       string
}

// outputView is an output with what can be done with its result.
type outputView struct {
	job.OutputState
	JobID    string
	ID       string // of its element in the page
	Files    []resultFile
	Pictures []resultFile
	Player   *playerView // nil: nothing to play
}

// resultFile is a file of a result. Link is its address as the page uses it. Format is "hls"
// or "dash"; "": no stream. Check is where the stream is to be read for a check; "": it cannot
// be checked here.
type resultFile struct{ Name, Link, Format, Check string }

// playerView is what the player gets: a file, or the playlist and the manifest of a stream.
type playerView struct {
	File, HLS, DASH, Thumbnails string
	Audio                       bool
	Host                        string // of the result; "": this server
}

// failure is an error, with its reason for what docs/errors.md says of it.
type failure struct {
	What, Message string
	Reason        job.Reason
}

func (c *console) jobData(ctx context.Context, v viewer, id string) (jobData, error) {
	detail, err := c.Store.JobDetail(ctx, v.Scope, id)
	if err != nil {
		return jobData{}, err
	}
	d := jobData{Viewer: v, Job: detail, Finished: detail.Finished(), Live: liveURL("job", map[string][]string{"id": {id}})}
	now := time.Now()
	end := now
	if d.Finished {
		end = detail.CompletedAt
	}
	d.Took = end.Sub(detail.CreatedAt)
	d.TimeLine = timeLineOf(detail, now)
	d.Steps, d.Tasks = stepsOf(detail), taskSumOf(detail)
	input, _ := job.ParseMedia(detail.Input.Metadata) // the zero value before the probe
	d.Estimate = estimateOf(detail, input.Duration, now)
	if d.Deliveries, err = c.Store.Deliveries(ctx, v.Scope, id); err != nil {
		return jobData{}, err
	}
	if m, ok := mediaOf("input", detail.Input.Metadata); ok {
		d.Media = append(d.Media, m)
	}
	for i, o := range detail.Outputs {
		d.Outputs = append(d.Outputs, c.outputView(id, i, o))
		d.Media = append(d.Media, outputMedia(o)...)
		d.Retryable = d.Retryable || o.Stage == job.Failed || o.Stage == job.Aborted
	}
	thumbnails(d.Outputs)
	d.Failures = failures(detail)
	d.Events = slices.Clone(detail.Events)
	slices.Reverse(d.Events)
	return d, nil
}

// outputMedia returns a column for a file, or one for each package of a stream.
func outputMedia(o job.OutputState) []mediaInfo {
	if o.Stage != job.Done || o.Type == job.TypeImage {
		return nil
	}
	if m, ok := mediaOf(o.Key, o.Result.Metadata); ok {
		return []mediaInfo{m}
	}
	var list []mediaInfo
	packages := streamMedia(o.Result.Metadata)
	for _, s := range o.Result.Streams {
		if m, ok := mediaOf(o.Key+" "+s.Format, packages[s.Format]); ok {
			list = append(list, m)
		}
	}
	return list
}

// failures returns the errors of the input and of the outputs that have failed.
func failures(d job.Detail) []failure {
	var list []failure
	reasons := map[string]job.Reason{}
	for _, e := range d.Events {
		if e.Kind == job.InputFailedEvent || e.Kind == job.OutputFailedEvent {
			reasons[e.Output] = e.Reason
		}
	}
	if d.Input.Status == job.InputFailed {
		list = append(list, failure{"input", d.Input.Error, reasons[""]})
	}
	for _, o := range d.Outputs {
		if o.Stage == job.Failed {
			list = append(list, failure{o.Key, o.Error, reasons[o.Key]})
		}
	}
	return list
}

// outputView says of output i which files a browser can play or show.
func (c *console) outputView(jobID string, i int, o job.OutputState) outputView {
	v := outputView{OutputState: o, JobID: jobID, ID: fmt.Sprintf("output-%d", i)}
	if o.Stage != job.Done {
		return v
	}
	add := func(address, format string) resultFile {
		f := resultFile{Name: fileName(address), Link: c.link(address), Format: format}
		if format != "" && c.Check != nil && hostOf(address) != "" {
			f.Check = address
		}
		v.Files = append(v.Files, f)
		return f
	}
	if o.Result.URL != "" {
		f := add(o.Result.URL, "")
		if ext := extension(f.Name); playable[ext] != "" {
			v.Player = &playerView{File: f.Link, Audio: playable[ext] == "audio"}
		}
	}
	for _, u := range o.Result.URLs {
		f := add(u, "")
		if pictures[extension(f.Name)] {
			v.Pictures = append(v.Pictures, f)
		}
	}
	for _, s := range o.Result.Streams {
		f := add(s.URL, s.Format)
		if v.Player == nil {
			v.Player = &playerView{}
		}
		switch {
		case s.Format == "dash":
			v.Player.DASH = f.Link
		case v.Player.HLS == "":
			v.Player.HLS = f.Link
		}
	}
	if v.Player != nil {
		v.Player.Host = hostOf(v.Player.File + v.Player.HLS)
		if v.Player.Host == "" {
			v.Player.Host = hostOf(v.Player.DASH)
		}
	}
	return v
}

// thumbnails gives players the first WebVTT track of thumbnails that the job has.
func thumbnails(outputs []outputView) {
	track := ""
	for _, o := range outputs {
		for _, f := range o.Files {
			if o.Type == job.TypeImage && extension(f.Name) == ".vtt" && track == "" {
				track = f.Link
			}
		}
	}
	for _, o := range outputs {
		if o.Player != nil && !o.Player.Audio {
			o.Player.Thumbnails = track
		}
	}
}

// link returns the address of a result as the page uses it. For results in the built-in
// storage that is a path, so that they are loaded from the host of the page, also where
// PublicURL is another one.
func (c *console) link(address string) string {
	if c.PublicURL != "" {
		if path, ok := strings.CutPrefix(address, c.PublicURL+"/storage/"); ok {
			return "/storage/" + path
		}
	}
	return address
}

// extension returns the extension of a name in lower case, with its dot.
func extension(name string) string {
	if i := strings.LastIndexByte(name, '.'); i >= 0 {
		return strings.ToLower(name[i:])
	}
	return ""
}

// playable has the extensions of files that browsers play, and how.
var playable = map[string]string{
	".mp4": "video", ".m4v": "video", ".webm": "video", ".mov": "video", ".ogv": "video",
	".mp3": "audio", ".aac": "audio", ".m4a": "audio", ".ogg": "audio", ".oga": "audio", ".opus": "audio", ".wav": "audio", ".flac": "audio",
}

var pictures = map[string]bool{".jpg": true, ".jpeg": true, ".png": true, ".gif": true, ".webp": true}

func (c *console) jobPage(w http.ResponseWriter, r *http.Request, v viewer) error {
	d, err := c.jobData(r.Context(), v, r.PathValue("id"))
	if err != nil {
		return err
	}
	var addresses []string
	for _, o := range d.Outputs {
		for _, f := range o.Files {
			addresses = append(addresses, f.Link)
		}
	}
	allowMedia(w, addresses)
	c.show(w, r, http.StatusOK, "job", v, "Job "+d.Job.ID, &d)
	return nil
}

// jobSnapshot has the sections of the page of a job, and the result of each output by itself:
// a player must not be replaced because another output has changed.
func (c *console) jobSnapshot(ctx context.Context, v viewer, id string) (snapshot, error) {
	d, err := c.jobData(ctx, v, id)
	if err != nil {
		return snapshot{}, err
	}
	s, err := c.snapshot(&d, "summary", "actions", "failures", "timeline", "outputs", "steps", "media", "events", "deliveries")
	for _, o := range d.Outputs {
		if err != nil {
			return snapshot{}, err
		}
		var html string
		html, err = c.fragment("result", o)
		s.fragments = append(s.fragments, fragment{ID: o.ID, HTML: html})
	}
	return s, err
}

// requestPage shows the request of a job without its secrets.
func (c *console) requestPage(w http.ResponseWriter, r *http.Request, v viewer) error {
	id := r.PathValue("id")
	request, _, err := c.Store.Request(r.Context(), v.Scope, id)
	if err != nil {
		return err
	}
	shown, err := coconut.RedactRequest(request)
	if err != nil {
		return err
	}
	c.show(w, r, http.StatusOK, "request", v, "Request of job "+id, struct{ ID, Request string }{id, string(shown)})
	return nil
}

func (c *console) cancelJob(w http.ResponseWriter, r *http.Request, v viewer) error {
	id := r.PathValue("id")
	if _, err := c.Store.CancelJob(r.Context(), v.Scope, id); err != nil {
		return err
	}
	return done(w, r, "/console/jobs/"+id, "cancelled")
}

func (c *console) retryJob(w http.ResponseWriter, r *http.Request, v viewer) error {
	id := r.PathValue("id")
	if _, err := c.Store.RetryJob(r.Context(), v.Scope, id); err != nil {
		return err
	}
	return done(w, r, "/console/jobs/"+id, "retried")
}

// repeatJob sends the request of a job once more, as a new job of the same key.
func (c *console) repeatJob(w http.ResponseWriter, r *http.Request, v viewer) error {
	request, owner, err := c.Store.Request(r.Context(), v.Scope, r.PathValue("id"))
	if err != nil {
		return err
	}
	return c.create(w, r, request, owner)
}

// create makes a job of a request and shows it.
func (c *console) create(w http.ResponseWriter, r *http.Request, request []byte, keyID string) error {
	spec, err := coconut.DecodeJob(request)
	if err != nil {
		return err
	}
	st, err := c.Store.CreateJob(r.Context(), job.Submission{KeyID: keyID, Request: request, Spec: spec})
	if err != nil {
		return err
	}
	return done(w, r, "/console/jobs/"+st.ID, "created")
}
