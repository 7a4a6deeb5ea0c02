package docs

// places are where a retired word must not be.
type places uint

const (
	names places = 1 << iota // identifiers that are declared
	files                    // names of files and folders
	prose                    // comments, pages, scripts, and the program's own texts

	everywhere = names | files | prose
)

// retired is a word that the project no longer uses, or no longer with the
// meaning that it had.
type retired struct {
	// words are alternatives, in lower case. One of several words, such as "carry
	// out", is carryOut as an identifier.
	words []string
	say   string // what to say instead
	where places
	// in limits the row to folders below these. Defaults to all.
	in []string
	// plain are identifiers and phrases in which the word has its plain meaning.
	plain []string
}

// retiredWords has ordinary English words, such as "early", as names only, and
// where needed only in the folders in which they had another meaning.
var retiredWords = []retired{
	// work files and artifacts
	{words: []string{"scratch"}, say: "work directory, work files; artifact store", where: everywhere},
	{words: []string{"rooms"}, say: "packages; disk space", where: everywhere},
	{words: []string{"room"}, say: "disk space, reservation", where: names | files},
	{words: []string{"room on the disk", "room in the work directory", "same room", "free room"}, say: "disk space", where: prose},
	{words: []string{"part", "parts"}, say: "artifact", where: names, in: []string{"worker/artifacts"}},
	{words: []string{"parts of jobs", "parts of a job", "finished parts", "kept parts"}, say: "artifacts", where: prose},
	{words: []string{"keep parts", "part store", "parts version", "parts at once"}, say: "artifact", where: names},
	{words: []string{"spares"}, say: "satisfied", where: names},
	{words: []string{"open below"}, say: "OpenRegularIn", where: names},
	{words: []string{"remove dead", "dead job"}, say: "orphan", where: names},

	// the lease
	{words: []string{"heart"}, say: "heartbeat", where: everywhere},
	{words: []string{"beat"}, say: "heartbeat; keep-alive", where: names | files},
	{words: []string{"hold", "held", "mine"}, say: "lease; renew; check", where: names | files, in: []string{"worker", "webhook", "job"}},
	{words: []string{"lost run"}, say: "lost lease", where: names | prose},
	{words: []string{"persist"}, say: "retry", where: names | files},
	{words: []string{"try time"}, say: "attempt timeout", where: names},

	// slots
	{words: []string{"seat", "seats"}, say: "slot, yielded slot", where: everywhere},
	{words: []string{"parked"}, say: "yielded", where: names | files},
	{words: []string{"slot work"}, say: "cost per slot", where: names},

	// uploads
	{words: []string{"patience"}, say: "retry timeout", where: everywhere},
	{words: []string{"patient", "patiently", "insist"}, say: "retrying, retry", where: everywhere},
	{words: []string{"timed body"}, say: "observed body", where: names},
	{words: []string{"note silence", "read time"}, say: "watch idle; last read", where: names},
	{words: []string{"early"}, say: "segment uploader", where: names | files, in: []string{"worker/publish"}},
	{words: []string{"take back"}, say: "requeue", where: names},
	{words: []string{"growing track"}, say: "live track", where: names},
	{words: []string{"settled"}, say: "finalized", where: names, in: []string{"worker"}},
	{words: []string{"publication"}, say: "object", where: names, in: []string{"worker"}},
	{words: []string{"told"}, say: "entry point; listed", where: names, in: []string{"worker"}},
	{words: []string{"lay"}, say: "link", where: names, in: []string{"worker"}},

	// the end of an output
	{words: []string{"withdraw", "withdraws", "withdrawn", "withdrawal"}, say: "rollback", where: everywhere},
	{words: []string{"placed"}, say: "uploaded", where: names, in: []string{"worker"}},
	{words: []string{"stands"}, say: "existing stream", where: names, in: []string{"worker"}},
	{words: []string{"carry out"}, say: "run the plan", where: names | files},
	{words: []string{"conclude"}, say: "complete, finish", where: names | files},
	{words: []string{"give up"}, say: "fail", where: names | files, plain: []string{"giveUpDelivery"}},

	// readers of growing files
	{words: []string{"follower", "followers", "followed input"}, say: "tail reader", where: names | files, in: []string{"worker", "transcode"}},
	{words: []string{"feeder"}, say: "stdin pump", where: names | files},
	{words: []string{"mailbox"}, say: "latest value", where: names | files},
	{words: []string{"lookahead"}, say: "probe limits", where: names | files},

	// the database
	{words: []string{"waker", "poke"}, say: "notifier; signal", where: everywhere},
	{words: []string{"tell", "told"}, say: "publish, notify", where: names | files, in: []string{"internal/postgres"}},
	{words: []string{"stand aside", "stands aside", "held most"}, say: "unblock; blocked", where: everywhere},
	{words: []string{"carrier"}, say: "River job", where: names | files},
	{words: []string{"revive", "revived", "revivals"}, say: "requeue", where: names | files},
	{words: []string{"put off"}, say: "deprioritize; defer", where: names | files},

	// webhooks
	{words: []string{"receiver", "receivers"}, say: "host", where: names | files, in: []string{"webhook/hostlimit"}},
	{words: []string{"outlive", "last words"}, say: "grace", where: names | files},

	// storage and the sandbox
	{words: []string{"keeper", "keepers"}, say: "storage.Deleter", where: everywhere},
	{words: []string{"together"}, say: "batch", where: names | files, in: []string{"storage", "worker"}},
	{words: []string{"again"}, say: "retry", where: files},
	{words: []string{"keep"}, say: "delete", where: files},
	{words: []string{"loopback"}, say: "range server", where: files},
	{words: []string{"confine", "confines", "confinement"}, say: "sandbox", where: everywhere},
	{words: []string{"white list", "white lists", "whitelist", "whitelists"}, say: "allowlist", where: names | prose,
		plain: []string{"protocol_whitelist", "format_whitelist", "not on whitelist"}}, // what ffmpeg says

	// planning
	{words: []string{"look", "looks"}, say: "picture style", where: names | files, in: []string{"transcode"}, plain: []string{"lookPath", "looksLikeResolution"}},
	{words: []string{"stills"}, say: "thumbnails", where: names | files},
	{words: []string{"video node", "track node"}, say: "rendition node, audio node", where: names},
	{words: []string{"own pass"}, say: "pass in parameters", where: names},
	{words: []string{"sound only"}, say: "audio only", where: names},
	{words: []string{"in force"}, say: "defaults", where: names | files},
	{words: []string{"add light", "light unknown"}, say: "HDR metadata", where: names},

	// small helpers
	{words: []string{"or else"}, say: "cmp.Or", where: names},
	{words: []string{"nobody else"}, say: "unprivileged user", where: names},
	{words: []string{"quieter"}, say: "minimum level", where: names},
	{words: []string{"tidy path"}, say: "normalize path", where: names},
}
