package job

// Names of storage services, see Storage.Service. They are the names of
// coconut-v2.md sections 3.2, 3.3 and 12; its aliases are resolved when a
// request is decoded.
const (
	ServiceBuiltIn    = "coconut" // the storage of this server
	ServiceURL        = "url"     // not a name of the API: a storage that is a URL to upload to
	ServiceS3         = "s3"
	ServiceS3Other    = "s3other"
	ServiceGCS        = "gcs"
	ServiceSpaces     = "dospaces"
	ServiceLinode     = "linode"
	ServiceWasabi     = "wasabi"
	ServiceScaleway   = "scaleway"
	ServiceVultr      = "vultr"
	ServiceCDN77      = "cdn77"
	ServiceContabo    = "contabo"
	ServiceImpossible = "impossible"
	ServiceR2         = "r2"
	ServiceMinIO      = "minio"
	ServiceBackblaze  = "backblaze"
	ServiceRackspace  = "rackspace"
	ServiceSwift      = "swift"
	ServiceAzure      = "azure"
	ServicePinata     = "ipfs_pinata"
	ServiceInfura     = "ipfs_infura"
)
