package job

import "strings"

// Reason says why a request was refused or why a job failed. The zero value
// means that no reason is known. It is a number and not a string, so that only
// the reasons of the table below compile as one.
type Reason uint8

// Fault says who can remove the cause of a failure.
type Fault string

// The faults.
const (
	CustomerFault Fault = "customer" // the request or the input
	StorageFault  Fault = "storage"  // a storage or server that the customer named
	ServerFault   Fault = "server"   // this server and its operator
)

// The reasons, in the order of docs/errors.md: first those of refused requests,
// then those of failed jobs.
const (
	AuthenticationFailed Reason = iota + 1
	ConfigNotValid
	SettingsNotValid
	InputNotValid
	InputURLNotValid
	StorageNotValid
	StorageServiceNotValid
	StorageCredentialsNotValid
	NotificationNotValid
	MetadataNotValid
	OutputsNotValid
	OutputsOutOfRange
	OutputFormatNotValid
	OutputParamNotValid
	OutputPathNotValid
	IdempotencyKeyNotValid
	IdempotencyKeyReused
	JobFinished
	JobNotFinished
	NothingToRetry
	TooManyJobs
	QuotaUsedUp
	TooManyRequests
	QueryNotValid
	CursorNotValid
	UploadNotValid
	UploadTooLarge
	ServerDiskFull

	InputHTTPError
	InputNotFound
	InputNotReadable
	InputTooLarge
	InputDamaged
	InputEncrypted
	InputPhotoNotReadable
	InputNotSelfContained
	InputPlaylistNotValid
	InputStreamMissing
	AddressNotAllowed
	RedirectsNotValid
	StorageRefused
	StorageUnavailable
	WatermarkNotValid
	OverlayNotValid
	CaptionsNotValid
	AudioNotValid
	OutputLevelTooLow
	OutputNotValid
	EncoderMissing
	EncodingFailed
	EncodingStalled
	EncodingCrashed
	ServerOutOfMemory
	MaxDurationExceeded
	WorkerLost
	InternalError

	reasonCount // keep last
)

type reasonRow struct {
	code      string // error_code on the wire, in logs and in metrics
	status    int    // HTTP status of a refused request; 0: only jobs fail for it
	fault     Fault
	transient bool   // the same request or job may succeed later, with nothing changed
	message   string // sentence for the customer; "": each place that fails has its own
	cause     string // of docs/errors.md
	cure      string // of docs/errors.md
}

// encoding begins the sentences about runs of ffmpeg, in Coconut's words.
const encoding = "The media file couldn't be encoded"

// reasons is the only table of error codes. Those that Coconut defines keep its
// words and its status 400; 401 and the others are of this project.
var reasons = [reasonCount]reasonRow{
	AuthenticationFailed: {"authentication_failed", 401, CustomerFault, false, "Authentication failed, check your API key",
		"no API key was sent, or one that is unknown or revoked, or no Basic authentication", "send the key as the user name with an empty password"},
	ConfigNotValid: {"config_not_valid", 400, CustomerFault, false, "",
		"the body is no JSON object, is larger than 1 MiB, is nested deeper than 32 levels, has a member twice, or did not arrive whole", "correct the body; the message says where"},
	SettingsNotValid: {"settings_not_valid", 400, CustomerFault, false, "",
		"`settings` is no hash, or one of its values is out of range", "see the message"},
	InputNotValid: {"input_not_valid", 400, CustomerFault, false, "",
		"`input` is missing, is no hash, or has neither a `url` nor a service with `bucket` and `key`; of a job: the input holds no audio and no video that can be read", "name the input; check that the file plays"},
	InputURLNotValid: {"input_url_not_valid", 400, CustomerFault, false, "",
		"the input's URL is not absolute, or its scheme is not supported", "see [what is done](formats.md#what-is-done), or upload the file"},
	StorageNotValid: {"storage_not_valid", 400, CustomerFault, false, "",
		"`storage` is missing, is no hash, or lacks a member that its service needs", "see the message"},
	StorageServiceNotValid: {"storage_service_not_valid", 400, CustomerFault, false, "",
		"the service is missing or unknown, or it cannot be an input", "see [storage](storage.md)"},
	StorageCredentialsNotValid: {"storage_credentials_not_valid", 400, CustomerFault, false, "",
		"credentials are missing, empty or malformed; of a job: the storage does not accept them", "give all keys of the service; often an environment variable of the client is not set"},
	NotificationNotValid: {"notification_not_valid", 400, CustomerFault, false, "",
		"`notification` has no valid `url`, has an unknown type, or lacks what SNS needs", "`{\"type\": \"http\", \"url\": ...}` is always good"},
	MetadataNotValid: {"metadata_not_valid", 400, CustomerFault, false, "",
		"`metadata` is no hash of at most 20 texts, or a name or value in it is too long", "see the message and [metadata of your own](api.md#metadata-of-your-own)"},
	OutputsNotValid: {"outputs_not_valid", 400, CustomerFault, false, "",
		"`outputs` is missing, is empty, is no hash, or has a key twice", "give at least one output; use an array for several of one format"},
	OutputsOutOfRange: {"outputs_out_of_range", 400, CustomerFault, false, "",
		"the job has more than 30 outputs", "make several jobs"},
	OutputFormatNotValid: {"output_format_not_valid", 400, CustomerFault, false, "",
		"the format cannot be read, this server does not make it, or it cannot be made from this input", "see the message and [formats](formats.md)"},
	OutputParamNotValid: {"output_param_not_valid", 400, CustomerFault, false, "",
		"a parameter is unknown, has a wrong value, is not supported yet, or does not fit the input", "see the message and [formats](formats.md)"},
	OutputPathNotValid: {"output_path_not_valid", 400, CustomerFault, false, "",
		"the path is missing, has no file name, holds `..`, is too long, or needs a sequence variable", "see the message"},
	IdempotencyKeyNotValid: {"idempotency_key_not_valid", 400, CustomerFault, false, "",
		"the header `Idempotency-Key` is longer than 255 characters or is not printable ASCII", "use a shorter one"},
	IdempotencyKeyReused: {"idempotency_key_reused", 409, CustomerFault, false, "The Idempotency-Key was used before with another request; use a new key for a new job.",
		"the same `Idempotency-Key` came before with another body", "use a new key for a new job"},
	JobFinished: {"job_finished", 409, CustomerFault, false, "The job has already finished and cannot be cancelled.",
		"a job that has ended cannot be cancelled", "nothing is left to do"},
	JobNotFinished: {"job_not_finished", 409, CustomerFault, true, "The job has not finished yet; only a finished job can be retried.",
		"a job that runs cannot be retried", "wait for its end, or cancel it"},
	NothingToRetry: {"nothing_to_retry", 409, CustomerFault, false, "There is nothing to retry: no output of the job failed or was aborted.",
		"all outputs of the job are done or skipped", "nothing is left to do"},
	TooManyJobs: {"too_many_jobs", 429, CustomerFault, true, "",
		"the API key has as many unfinished jobs as it may have", "try again after the seconds in `Retry-After`; the operator may raise the limit with `copra keys limit`"},
	QuotaUsedUp: {"quota_used_up", 429, CustomerFault, true, "",
		"the outputs that the API key made in this calendar month play as many minutes as it may make", "wait for the next month; the operator may raise the limit with `copra keys limit`"},
	TooManyRequests: {"too_many_requests", 429, CustomerFault, true, "",
		"the API key makes more requests a second than `--rate-limit`", "wait for the seconds in `Retry-After`; use webhooks or the event stream instead of polling"},
	QueryNotValid: {"query_not_valid", 400, CustomerFault, false, "",
		"a parameter of the URL's query is unknown, is given twice or has a wrong value", "see the message"},
	CursorNotValid: {"cursor_not_valid", 400, CustomerFault, false, "",
		"the cursor of a list is not one that the server gave", "take it from the page before"},
	UploadNotValid: {"upload_not_valid", 400, CustomerFault, false, "",
		"an upload's address does not end with a plain file name, or the upload broke off", "see the message"},
	UploadTooLarge: {"upload_too_large", 413, CustomerFault, false, "",
		"an upload is larger than the server takes", "the operator may raise `--max-input`"},
	ServerDiskFull: {"server_disk_full", 507, ServerFault, true, encoding + ": the server ran out of disk space.",
		"the server has no room for an upload, for the input or for the results", "try again later; the operator makes room in the storage or [work directory](operations.md#work-directory)"},

	InputHTTPError: {"input_http_error", 0, StorageFault, false, "",
		"the input's server answered with an error status, which the sentence names", "check that the URL can be read without a login, and that a signed URL has not expired"},
	InputNotFound: {"input_not_found", 0, CustomerFault, false, "",
		"the input is not in the built-in storage, or no longer: files are kept for 24 hours", "upload it again"},
	InputNotReadable: {"input_not_readable", 0, StorageFault, true, "",
		"the input's server broke off, did not answer, or sent another file half-way, at every try", "try again later; check the server"},
	InputTooLarge: {"input_too_large", 0, CustomerFault, false, "",
		"the input is larger than the server's limit", "the operator may raise `--max-input`"},
	InputDamaged: {"input_damaged", 0, CustomerFault, false, encoding + ": it is damaged, or not complete.",
		"ffmpeg cannot decode the input", "check that the file plays to its end"},
	InputEncrypted: {"input_encrypted", 0, CustomerFault, false, encoding + ": it is encrypted (DRM), and this server has no key for it.",
		"the tracks of the input are encrypted, as those of Common Encryption (CENC) or FairPlay are", "send the file without encryption"},
	InputPhotoNotReadable: {"input_photo_not_readable", 0, ServerFault, false, encoding + ": it is a HEIC or AVIF photo, and the server lacks what reads it (libheif's heif-convert, of Debian's package libheif-examples).",
		"the input is a HEIC or AVIF photo, and libheif's program (`heif-convert` or `heif-dec`) or its plugin for the codec is not installed", "send it as JPEG or PNG; or the operator installs `libheif-examples`, and `libheif-plugin-libde265` and `libheif-plugin-dav1d` where there are such packages; `copra doctor` tells"},
	InputNotSelfContained: {"input_not_self_contained", 0, CustomerFault, false, encoding + ": it refers to other files or addresses, which is not accepted.",
		"the input is a script or another file that names files outside itself, and is neither an HLS playlist nor a DASH manifest", "send one file with the media in it"},
	InputPlaylistNotValid: {"input_playlist_not_valid", 0, CustomerFault, false, "",
		"the input is an HLS playlist or a DASH manifest of a live stream, or one that cannot be read, names playlists again and again, or names what is not fetched (`file:`, `data:`, another storage)", "see the message and [recordings](formats.md#hls-and-dash-recordings)"},
	InputStreamMissing: {"input_stream_missing", 0, CustomerFault, false, encoding + ": it has no stream of the kind that was asked for.",
		"the input lacks the video or audio that the output needs", "ask for an output without it"},
	AddressNotAllowed: {"address_not_allowed", 0, CustomerFault, false, "",
		"the address is private or otherwise not public", "the operator may open the network with `--allow-network`"},
	RedirectsNotValid: {"redirects_not_valid", 0, StorageFault, false, "",
		"the address redirects too often, or to something that is not HTTP", "use the final address"},
	StorageRefused: {"storage_refused", 0, StorageFault, false, "",
		"the bucket is not there, or the credentials are wrong or may not write; the sentence names the bucket and the storage's own code", "correct bucket, region, credentials or policy"},
	StorageUnavailable: {"storage_unavailable", 0, StorageFault, true, "",
		"the storage did not answer or reported trouble of its own, at every try", "retry the job when the storage is back"},
	WatermarkNotValid: {"watermark_not_valid", 0, CustomerFault, false, "The watermark could not be read.",
		"the watermark is no picture that can be read", "use a PNG"},
	OverlayNotValid: {"overlay_not_valid", 0, CustomerFault, false, "The LUT could not be read.",
		"the `lut` of an `overlay` could not be fetched, or is no .cube file with a table of three dimensions", "see the message and [overlays](formats.md#text-timecode-pictures-and-luts)"},
	CaptionsNotValid: {"captions_not_valid", 0, CustomerFault, false, "The captions could not be read.",
		"the captions could not be fetched, or are not SRT, WebVTT, TTML or ASS in a charset that can be found out", "see the message and [captions](formats.md#captions)"},
	AudioNotValid: {"audio_not_valid", 0, CustomerFault, false, "The file of sound could not be read.",
		"a file of the `audio` of an httpstream could not be fetched, or has no sound that can be read", "see the message and [audio from other files](formats.md#audio-from-other-files)"},
	OutputLevelTooLow: {"output_level_too_low", 0, CustomerFault, false, encoding + ": the H.264 level that was asked for is too low for the size of the video.",
		"the requested `level` does not allow the size and rate of the video", "ask for a higher level, or leave it out"},
	OutputNotValid: {"output_not_valid", 0, CustomerFault, false, "",
		"what ffmpeg made is not what was asked for (length, size, streams), or cannot be played; it was not published", "the input may be damaged; the log has what ffmpeg said"},
	EncoderMissing: {"encoder_missing", 0, ServerFault, false, encoding + ": this server's FFmpeg lacks the encoder for the codec that was asked for.",
		"the worker's ffmpeg was built without the encoder", "the operator installs an ffmpeg with it; `copra doctor` lists the encoders"},
	EncodingFailed: {"encoding_failed", 0, ServerFault, false, encoding + " because of a FFmpeg error.",
		"ffmpeg failed, and nothing more is known", "the log has ffmpeg's last lines"},
	EncodingStalled: {"encoding_stalled", 0, ServerFault, false, encoding + ": FFmpeg made no progress any more and was ended.",
		"ffmpeg was ended after `--ffmpeg-stall-timeout` without progress", "the input may be damaged; the operator may raise `--ffmpeg-stall-timeout`"},
	EncodingCrashed: {"encoding_crashed", 0, ServerFault, false, encoding + ": FFmpeg crashed on it.",
		"ffmpeg was killed by a signal of its own", "the input may be damaged; a newer ffmpeg may help"},
	ServerOutOfMemory: {"server_out_of_memory", 0, ServerFault, true, encoding + ": the server ran out of memory.",
		"ffmpeg was killed, or reached `--ffmpeg-memory`", "the operator gives the worker more memory or fewer `--slots`"},
	MaxDurationExceeded: {"max_duration_exceeded", 0, CustomerFault, true, "",
		"`settings.max_duration` has run out", "give the job more time"},
	WorkerLost: {"worker_lost", 0, ServerFault, true, "",
		"the worker stopped or died at every attempt", "the job may need more memory than the worker has; the operator looks at why workers end"},
	InternalError: {"internal_error", 0, ServerFault, true, "",
		"a fault of the server", "retry the job; the log has the cause with the job's id"},
}

// row returns the row of r; that of a number outside the table is empty.
func (r Reason) row() reasonRow {
	if r >= reasonCount {
		r = 0
	}
	return reasons[r]
}

// Reasons returns all reasons in the order of the table.
func Reasons() []Reason {
	var all []Reason
	for r := Reason(1); r < reasonCount; r++ {
		all = append(all, r)
	}
	return all
}

// Code returns the word for r on the wire, in logs and in metrics; "" for the
// zero value.
func (r Reason) Code() string { return r.row().code }

// String returns the code.
func (r Reason) String() string { return r.Code() }

// Status returns the HTTP status of a request that is refused for r. It is 0
// for reasons for which only jobs fail.
func (r Reason) Status() int { return r.row().status }

// Fault returns who can remove the cause; "" for the zero value.
func (r Reason) Fault() Fault { return r.row().fault }

// Transient reports whether the same request or job may succeed later although
// nobody changes it.
func (r Reason) Transient() bool { return r.row().transient }

// Requeue reports whether another run, maybe of another worker, may succeed
// where this one failed: the cause passes, and it is this server's.
func (r Reason) Requeue() bool { return r.Transient() && r.Fault() == ServerFault }

// Message returns the sentence for a customer when there is nothing more to
// say. Where the table has none it is the code in words.
func (r Reason) Message() string {
	row := r.row()
	if row.message != "" || row.code == "" {
		return row.message
	}
	code := strings.ReplaceAll(row.code, "_", " ")
	return strings.ToUpper(code[:1]) + code[1:] + "."
}

// Cause returns what r means and Cure what to do about it, in Markdown, for
// docs/errors.md.
func (r Reason) Cause() string { return r.row().cause }

// Cure returns what to do about r, in Markdown.
func (r Reason) Cure() string { return r.row().cure }

// HasMessage reports whether the sentence of r is always the same.
func (r Reason) HasMessage() bool { return r.row().message != "" }

// MarshalText writes the code.
func (r Reason) MarshalText() ([]byte, error) { return []byte(r.Code()), nil }

// UnmarshalText reads a code. An unknown one gives the zero value and no error:
// while processes are updated one after the other, an old one reads what a new
// one has stored.
func (r *Reason) UnmarshalText(text []byte) error {
	*r = 0
	for _, known := range Reasons() {
		if known.Code() == string(text) {
			*r = known
		}
	}
	return nil
}
