package coconut

import "github.com/copra-video/copra/job"

type errorBody struct {
	Message string `json:"message"`
	Code    string `json:"error_code"`
	Status  string `json:"status"`
}

// EncodeError encodes the body of a 400 or 401.
func EncodeError(e *job.Error) []byte {
	return encode(errorBody{Message: e.Message, Code: e.Code, Status: "error"})
}
