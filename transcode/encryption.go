package transcode

import (
	"encoding/hex"
	"fmt"

	"github.com/copra-video/copra/job"
)

// encryptionKey registers the AES-128 key of output i; "" when there is none.
func (p *planner) encryptionKey(h *job.HLSParams, i int) (SecretName, *job.Error) {
	if h.EncryptionKey.IsZero() {
		return "", nil
	}
	key, err := hex.DecodeString(h.EncryptionKey.Reveal())
	if err != nil || len(key) != 16 {
		return "", job.Errorf(job.OutputParamNotValid, "The parameter \"hls.encryption_key\" is not valid: 32 hexadecimal digits are expected.")
	}
	if h.EncryptionKeyURI == "" {
		return "", job.Errorf(job.OutputParamNotValid, "The parameter \"hls.encryption_key_uri\" is missing: players fetch the key from there.")
	}
	name := SecretName(fmt.Sprintf("%skey-%d", p.prefix, i+1))
	p.secrets[name] = job.NewSecret(string(key))
	return name, nil
}
