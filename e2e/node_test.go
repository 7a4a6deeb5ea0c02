package e2e

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/copra-video/copra/internal/s3server"
	"github.com/copra-video/copra/internal/spec/observed"
	"github.com/copra-video/copra/internal/testmedia"
	"github.com/copra-video/copra/internal/testtime"
)

// nodeModules is the folder that the published client was installed into.
func nodeModules(t testing.TB) string {
	t.Helper()
	dir := os.Getenv("COPRA_TEST_NODE_MODULES")
	if dir == "" {
		dir, _ = filepath.Abs(filepath.Join("..", ".cache", "node", "node_modules"))
	}
	if _, err := os.Stat(filepath.Join(dir, "coconutjs", "package.json")); err != nil {
		testmedia.Missing(t, "no coconutjs; scripts/setup.sh test installs it, COPRA_TEST_NODE_MODULES may name its folder")
	}
	if _, err := exec.LookPath("node"); err != nil {
		testmedia.Missing(t, "no node")
	}
	return dir
}

// node runs a script that can load the published client.
func node(t testing.TB, limit time.Duration, dir string, env []string, args ...string) ([]byte, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), testtime.Allow(limit))
	defer cancel()
	cmd := exec.CommandContext(ctx, "node", args...)
	cmd.Dir = dir
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "NODE_PATH=" + nodeModules(t)}, env...)
	cmd.WaitDelay = time.Second
	return cmd.CombinedOutput()
}

// The published Node client, unchanged, with another endpoint and no more.
func TestNodeClient(t *testing.T) {
	t.Parallel()
	modules, srv := nodeModules(t), shared(t)
	script := filepath.Join(t.TempDir(), "client.js")
	if err := os.WriteFile(script, []byte(nodeScript), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := node(t, 60*time.Second, filepath.Dir(modules), []string{"ENDPOINT=" + srv.base, "KEY=" + srv.key, "INPUT=" + short(t)}, script)
	if err != nil {
		t.Fatalf("node: %v\n%s", err, out)
	}
	var got struct {
		Created, Done jobDoc
		Metadata, One struct {
			JobID    string `json:"job_id"`
			Metadata struct {
				Input facts
				MP3   facts
			}
		}
		Param, Key, Input struct {
			Code    string `json:"error_code"`
			Message string
		}
	}
	if err := json.Unmarshal(out, &got); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if got.Created.Status != "job.starting" || got.Done.Status != "job.completed" || got.Created.ID != got.Done.ID {
		t.Errorf("%s", out)
	}
	got.Metadata.Metadata.Input.has(t, "input", "h264")
	got.One.Metadata.MP3.has(t, "mp3", "mp3")
	if got.Metadata.JobID != got.Done.ID || got.One.JobID != got.Done.ID {
		t.Errorf("%s", out)
	}
	if got.Param.Code != "output_param_not_valid" || got.Key.Code != "authentication_failed" || got.Input.Code != "input_not_valid" ||
		got.Input.Message != "The job 'input' is not a valid object." || !strings.Contains(got.Param.Message, "notvalidparam") {
		t.Errorf("errors: %+v %+v %+v", got.Param, got.Key, got.Input)
	}
	observed.Row(t, "10 coconutjs (Node)")
}

// nodeScript creates a job, follows it to its end and reads its metadata, as
// the client's own documentation shows.
const nodeScript = `
const Coconut = require('coconutjs');
const endpoint = process.env.ENDPOINT;
const coconut = new Coconut.Client(process.env.KEY, {endpoint});
coconut.storage = {service: 'coconut'};
const spec = extra => Object.assign({input: {url: process.env.INPUT}, outputs: {mp3: {path: '/a.mp3'}}}, extra);
const call = f => new Promise((resolve, reject) => f((answer, err) => err ? reject(err) : resolve(answer)));
const fail = (client, job) => call(f => client.Job.create(job, f)).then(() => 'accepted', e => ({error_code: e.error_code, message: e.message}));

(async () => {
  const got = {};
  got.created = await coconut.Job.create(spec());
  do {
    await new Promise(f => setTimeout(f, 100));
    got.done = await call(f => coconut.Job.retrieve(got.created.id, f));
  } while (!['job.completed', 'job.failed'].includes(got.done.status));
  got.metadata = await call(f => coconut.Metadata.retrieve(got.done.id, f));
  got.one = await call(f => coconut.Metadata.retrieve(got.done.id + '/mp3', f));
  got.param = await fail(coconut, spec({outputs: {mp4: {path: '/video.mp4', notvalidparam: 'no'}}}));
  got.input = await fail(coconut, spec({input: null}));
  // The client keeps the last one made for all calls, so this comes last.
  const stranger = new Coconut.Client('k-00000000000000000000000000000000', {endpoint});
  got.key = await fail(stranger, spec({storage: {service: 'coconut'}}));
  console.log(JSON.stringify(got));
})().catch(e => { console.error(e); process.exit(1); });
`

// The test suite of the client itself, unchanged. It calls api.coconut.co, which
// the hook redirects to our server. Its assertions are in callbacks after the
// tests, so the exit code decides.
func TestNodeSuite(t *testing.T) {
	t.Parallel()
	modules, srv, gateway := nodeModules(t), shared(t), s3(t)
	gateway.CreateBucket(t, "node-suite")
	hook := filepath.Join(t.TempDir(), "hook.js")
	if err := os.WriteFile(hook, []byte(nodeHook), 0o600); err != nil {
		t.Fatal(err)
	}
	suite := func(key string) ([]byte, error) {
		return node(t, 60*time.Second, filepath.Join(modules, "coconutjs"), []string{
			"SERVER=" + strings.TrimSuffix(srv.base, "/v2"), "COCONUT_API_KEY=" + key, "COCONUT_WEBHOOK_URL=" + hooks(t).url("node-suite"),
			"AWS_BUCKET=node-suite", "AWS_REGION=" + s3server.Region, "AWS_ACCESS_KEY_ID=" + gateway.AccessKey, "AWS_SECRET_ACCESS_KEY=" + gateway.SecretKey,
		}, filepath.Join(modules, "mocha", "bin", "mocha"), "--require", hook, "coconut.test.js")
	}
	out, err := suite(srv.key)
	if err != nil || !strings.Contains(string(out), "7 passing") || !strings.Contains(string(out), "3 answers") {
		t.Errorf("the suite: %v\n%s", err, out)
	}
	// The suite can fail: with an unknown key, the last test gets the wrong
	// error code.
	if out, err := suite("k-00000000000000000000000000000000"); err == nil {
		t.Errorf("the suite passes without a key:\n%s", out)
	}
	// Its jobs name a file of Coconut's, which may be unreachable. They end
	// anyway.
	hooks(t).count(t, "node-suite", 2, 90*time.Second)
}

const nodeHook = `
const http = require('http'), https = require('https');
const to = new URL(process.env.SERVER);
let answers = 0;
https.request = (options, callback) => {
  if (options.hostname !== 'api.coconut.co') throw new Error('a request to ' + options.hostname);
  return http.request(Object.assign({}, options, {hostname: to.hostname, port: to.port}), res => { answers++; callback(res); });
};
process.on('exit', () => console.log(answers + ' answers'));
`
