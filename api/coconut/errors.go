package coconut

import "github.com/copra-video/copra/job"

type errorBody struct {
	Message string `json:"message"`
	Code    string `json:"error_code"`
	Status  string `json:"status"`
}

// EncodeError encodes the answer to a refused request.
func EncodeError(e *job.Error) []byte {
	return encode(errorBody{Message: e.Message, Code: e.Reason.Code(), Status: "error"})
}
