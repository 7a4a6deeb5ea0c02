package spec

import (
	"fmt"
	"net/http"
	"path"
	"strings"
)

// cloud answers as the services do whose uploads need more than one request:
// Backblaze (native API), OpenStack Swift (Identity 2 and 3), IPFS and SNS.
func (w *wire) cloud(rw http.ResponseWriter, r *http.Request) bool {
	home := w.names.Replace("http://recorder:80")
	answer, status := "", http.StatusOK
	switch call := path.Base(r.URL.Path); {
	case call == "b2_authorize_account":
		answer = fmt.Sprintf(`{"accountId":"acc","authorizationToken":"t","apiInfo":{"storageApi":{"apiUrl":%q,"downloadUrl":%q,"recommendedPartSize":104857600}}}`, home, home)
	case call == "b2_list_buckets":
		answer = `{"buckets":[{"bucketName":"vods"}]}`
	case call == "b2_get_upload_url":
		answer = fmt.Sprintf(`{"uploadUrl":%q,"authorizationToken":"u"}`, home+"/b2_upload")
	case call == "b2_upload":
		answer = `{"fileId":"f","fileName":"a.mp4"}`
	case r.URL.Path == "/v2.0/tokens":
		var regions []string
		for _, region := range []string{"LON", "DFW"} {
			regions = append(regions, fmt.Sprintf(`{"region":%q,"publicURL":%q}`, region, home+"/"+strings.ToLower(region)))
		}
		answer = `{"access":{"token":{"id":"t"},"serviceCatalog":[{"type":"object-store","endpoints":[` + strings.Join(regions, ",") + `]}]}}`
	case r.URL.Path == "/v3/auth/tokens":
		rw.Header().Set("X-Subject-Token", "t")
		status = http.StatusCreated
		answer = fmt.Sprintf(`{"token":{"catalog":[{"type":"object-store","endpoints":[{"interface":"public","url":%q}]}]}}`, home+"/swift")
	case r.URL.Path == "/pinning/pinFileToIPFS":
		answer = `{"IpfsHash":"QmTheFolderOfThePinnedFiles"}`
	case r.URL.Path == "/api/v0/add":
		answer = `{"Name":"","Hash":"QmTheFolderOfThePinnedFiles"}`
	case r.URL.Path == "/sns/":
		answer = `<PublishResponse><PublishResult><MessageId>1</MessageId></PublishResult></PublishResponse>`
	default:
		return false
	}
	w.form(r)
	rw.WriteHeader(status)
	fmt.Fprint(rw, answer)
	return true
}
