package e2e

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/copra-video/copra/internal/s3server"
	"github.com/copra-video/copra/internal/testmedia"
)

// No secret of a request or of the deployment is visible anywhere: in logs,
// answers, the database, or the command lines of child processes.
func TestSecrets(t *testing.T) {
	t.Parallel()
	gateway := s3(t)
	gateway.CreateBucket(t, "secrets")
	d := deploy(t, 0)
	gateway.CreateBucket(t, "secret-parts")
	d.env = append(d.env, "COPRA_ARTIFACT_STORE=s3://secret-parts/x", "COPRA_ARTIFACT_S3_ENDPOINT="+gateway.Endpoint,
		"COPRA_ARTIFACT_S3_ACCESS_KEY="+gateway.AccessKey, "COPRA_ARTIFACT_S3_SECRET_KEY="+gateway.SecretKey)
	metrics := d.startWorker(t)
	c := d.client(t, "secrets")
	in := strings.Replace(inputs(t).add(testmedia.Clip(t, testmedia.Standard)), "http://", "http://canary-user:canary-password@", 1) + "?X-Signature=canary-query"
	const contentKey = "0f1e2d3c4b5a69788796a5b4c3d2e1f0"
	secret := map[string]string{
		"API key": c.key, "S3 secret": gateway.SecretKey, "user of the input": "canary-user", "password of the input": "canary-password",
		"query of the input": "canary-query", "path of the webhook": "canary-path", "query of the webhook": "canary-hook-query",
		"params of the webhook": "canary-param", "secret of a bad request": "canary-refused", "wrong S3 secret": "canary-wrong",
		"key of a stream": contentKey,
	}

	seen := map[string]string{} // by secret: where
	look := func(where, text string) {
		for what, s := range secret {
			if strings.Contains(text, s) && seen[what] == "" {
				at := strings.Index(text, s)
				seen[what] = where + ": ..." + text[max(0, at-200):min(len(text), at+100)]
			}
		}
	}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	commands := sampleCommands(ctx)

	var ids []string
	for _, storage := range []object{
		{"service": "s3other", "endpoint": gateway.Endpoint, "force_path_style": true, "bucket": "secrets", "credentials": s3Credentials(gateway)},
		{"service": "s3other", "endpoint": gateway.Endpoint, "force_path_style": true, "bucket": "secrets", "region": s3server.Region,
			"credentials": object{"access_key_id": gateway.AccessKey, "secret_access_key": "canary-wrong"}},
	} {
		ids = append(ids, c.create(t, object{
			"input": object{"url": in}, "storage": storage,
			"outputs": object{
				"mp4:480p": object{"path": "/a.mp4"},
				"jpg:100x": object{"path": "/a.jpg"},
				"httpstream": object{"hls": object{"path": "/hls"}, "variants": []string{"mp4:240p"},
					"protection": object{"keys": []object{{"kid": "00112233445566778899aabbccddeeff", "key": contentKey, "uri": "skd://canary-is-public"}}}},
			},
			"notification": object{"type": "http", "url": hooks(t).url("canary-path") + "?t=canary-hook-query", "events": true, "metadata": true,
				"params": object{"token": "canary-param"}},
		}).ID)
	}
	// An unreachable input and an unreachable webhook: errors often contain
	// their addresses.
	broken := jobOf(strings.Replace(closedPort(t), "http://", "http://canary-user:canary-password@", 1)+"/a?X-Signature=canary-query", object{"mp3": object{"path": "/a.mp3"}})
	broken["notification"] = object{"url": closedPort(t) + "/canary-path?t=canary-hook-query", "params": object{"token": "canary-param"}}
	ids = append(ids, c.create(t, broken).ID)
	_, refusal, _ := c.send(t, http.MethodPost, "/jobs", `{"input":{"url":"http://a/a"},"storage":{"service":"s3","bucket":"b","region":"r","credentials":{"access_key_id":"a","secret_access_key":"canary-refused"}},"outputs":{"mp4":{"path":"/a","what":1}},"notification":{"url":"http://canary-refused:canary-refused@"}}`)
	look("the answer to a bad request", string(refusal))
	_, refusal, _ = c.send(t, http.MethodPost, "/jobs", `{"input":{"url":"ftp ://canary-user:canary-password@host/?canary-query"},"storage":{"service":"coconut"},"outputs":{"mp4":{"path":"/a"}}}`)
	look("the answer to a bad URL", string(refusal))

	for _, id := range ids {
		look("GET job", string(c.wait(t, id, 60*time.Second).raw))
		_, metadata, _ := c.send(t, http.MethodGet, "/metadata/jobs/"+id, nil)
		look("GET metadata", string(metadata))
	}
	if j := c.get(t, ids[0]); j.Status != "job.completed" {
		t.Errorf("%s", j.raw)
	}
	for _, h := range hooks(t).await(t, "canary-path", "job.completed", 20*time.Second) {
		look("webhook", string(h.raw))
		if h.query.Get("token") != "canary-param" || h.query.Get("t") != "canary-hook-query" {
			t.Errorf("webhook query %v", h.query)
		}
	}
	look("metrics", string(fetch(t, strings.TrimSuffix(c.base, "/v2")+"/metrics")))
	listen, err := metrics.says(startTime, `msg="copra worker metrics".* listen=(\S+)`)
	if err != nil {
		t.Fatal(err)
	}
	counted := string(fetch(t, "http://"+listen+"/metrics"))
	look("metrics of the worker", counted)
	if !strings.Contains(counted, `copra_artifacts_total{result="stored"}`) {
		t.Error("the artifact store was not used")
	}
	_, told, complaint := finish(t, 30*time.Second, launch{args: []string{"doctor"}, env: d.env})
	look("doctor", told+complaint)
	look("keys list", d.keys(t, "list"))
	dump := dumpTables(t, d.db)
	if !strings.Contains(dump, ids[0]) {
		t.Error("the dump does not hold the job")
	}
	look("database", dump)
	d.api.terminate(t)
	for _, w := range d.workers {
		w.terminate(t)
	}
	for _, p := range append(slices.Clone(d.workers), d.api) {
		look("log", p.stdout.String()+p.stderr.String())
	}
	if logged := d.workers[0].stderr.String(); !strings.Contains(logged, ids[2]) {
		t.Errorf("the log does not tell of the job that failed:\n%s", logged)
	}
	stop()
	ran := <-commands
	encoders := 0
	for line := range ran {
		look("arguments of a process", line)
		if strings.Contains(line, "libx264") {
			encoders++
		}
	}
	if encoders == 0 {
		t.Errorf("no encoder among %d command lines", len(ran))
	}
	for what, where := range seen {
		t.Errorf("%s shows in %s", what, where)
	}
}

// sampleCommands collects the command lines of the machine until ctx ends,
// except that of this test, which contains the secrets.
func sampleCommands(ctx context.Context) <-chan map[string]bool {
	result := make(chan map[string]bool, 1)
	go func() {
		lines := map[string]bool{}
		tick := time.NewTicker(50 * time.Millisecond) // ffmpeg needs longer to load its libraries
		defer tick.Stop()
		for {
			for _, p := range processes() {
				if p.pid != os.Getpid() {
					lines[strings.Join(p.args, " ")] = true
				}
			}
			select {
			case <-tick.C:
			case <-ctx.Done():
				result <- maps.Clone(lines)
				return
			}
		}
	}()
	return result
}

// dumpTables is the text of every row of every table.
func dumpTables(t testing.TB, url string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(ctx)
	rows, err := conn.Query(ctx, `SELECT quote_ident(table_schema) || '.' || quote_ident(table_name) FROM information_schema.tables
		WHERE table_schema NOT IN ('pg_catalog', 'information_schema') AND table_type = 'BASE TABLE'`)
	if err != nil {
		t.Fatal(err)
	}
	tables, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	var dump strings.Builder
	for _, table := range tables {
		rows, err := conn.Query(ctx, fmt.Sprintf(`SELECT x::text FROM %s x`, table))
		if err != nil {
			t.Fatal(err)
		}
		lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&dump, "%s\n%s\n", table, strings.Join(lines, "\n"))
		// bytea prints as hex; the secrets must not be in there either.
		bytesOf(t, conn, table, &dump)
	}
	return dump.String()
}

func bytesOf(t testing.TB, conn *pgx.Conn, table string, into *strings.Builder) {
	t.Helper()
	ctx := context.Background()
	rows, err := conn.Query(ctx, `SELECT quote_ident(attname) FROM pg_attribute WHERE attrelid = $1::regclass AND atttypid = 'bytea'::regtype AND attnum > 0 AND NOT attisdropped`, table)
	if err != nil {
		t.Fatal(err)
	}
	columns, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	for _, column := range columns {
		rows, err := conn.Query(ctx, fmt.Sprintf(`SELECT %s FROM %s WHERE %s IS NOT NULL`, column, table, column))
		if err != nil {
			t.Fatal(err)
		}
		values, err := pgx.CollectRows(rows, pgx.RowTo[[]byte])
		if err != nil {
			t.Fatal(err)
		}
		for _, v := range values {
			into.Write(v)
			into.WriteByte('\n')
		}
	}
}
