package api

import (
	"net/http"

	"github.com/copra-video/copra/api/coconut"
)

// checkStorage is POST /v2/storage-check: whether results could be stored in the storage
// that the body describes, as a job's does. A storage that takes none is answered with
// 200 too.
func (s *server) checkStorage(w http.ResponseWriter, r *http.Request) error {
	if _, err := query(r); err != nil {
		return err
	}
	body, err := readBody(w, r, s.BodyTimeout)
	if err != nil {
		return err
	}
	st, err := coconut.DecodeStorage(body)
	if err != nil {
		return err
	}
	found, err := s.CheckStorage(r.Context(), st)
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, coconut.EncodeStorageCheck(found))
	return nil
}
