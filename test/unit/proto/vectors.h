/*
 * test/unit/proto/vectors.h -- requests as clients 1.102.5 and 1.80.3 send them, one of each shape. The keys are thrown away.
 */
#ifndef TEST_PROTO_VECTORS_H
#define TEST_PROTO_VECTORS_H

static const struct {
	const char *path, *body;
} vectors[] = {
	{ "/machine/register",
	  "{\"Version\":142,\"NodeKey\":\"nodekey:abd48af70c917bce69ce061d1f46054ae4eb26c9a0630858d782139478310163\",\"OldNodeKey\":\"nodekey:0000000000000000000"
	  "000000000000000000000000000000000000000000000\",\"NLKey\":\"nlpub:43fcdd9fe85c75e918fce21c9f2602f1730c5b36f05f9374668d471f06f266dc\",\"Auth\":{\"AuthK"
	  "ey\":\"hskey-auth-20ea5c1dddf7-66c09bc9319a3626995c34cab5263282d2253cd632745135917f2da38d78f15f\"},\"Expiry\":\"0001-01-01T00:00:00Z\",\"Followup\":\""
	  "\",\"Hostinfo\":{\"IPNVersion\":\"1.102.5-ERR-BuildInfo\",\"BackendLogID\":\"d23576dd3df7460434183e9fe745537557d8ce258f9b6e38b7c8f72ad8649b1a\",\"OS\""
	  ":\"linux\",\"OSVersion\":\"6.1.0\",\"Container\":true,\"Distro\":\"debian\",\"DistroVersion\":\"12.11\",\"DistroCodeName\":\"bookworm\",\"Desktop\":fa"
	  "lse,\"Hostname\":\"n1\",\"NoLogsNoSupport\":true,\"Machine\":\"x86_64\",\"GoArch\":\"amd64\",\"GoArchVar\":\"v1\",\"GoVersion\":\"go1.26.8\",\"Service"
	  "s\":[{\"Proto\":\"peerapi-dns-proxy\",\"Port\":1}],\"Userspace\":false,\"UserspaceRouter\":false,\"AppConnector\":false,\"StateEncrypted\":false},\"No"
	  "deKeySignature\":null}" },
	{ "/machine/map",
	  "{\"Version\":142,\"Compress\":\"zstd\",\"KeepAlive\":true,\"NodeKey\":\"nodekey:abd48af70c917bce69ce061d1f46054ae4eb26c9a0630858d782139478310163\",\"D"
	  "iscoKey\":\"discokey:8139ab3e2eb754191b684c254d1aaf6fe3d909f70ea90f79372215a30b5bab2f\",\"Hostinfo\":{\"IPNVersion\":\"1.102.5-ERR-BuildInfo\",\"Backe"
	  "ndLogID\":\"d23576dd3df7460434183e9fe745537557d8ce258f9b6e38b7c8f72ad8649b1a\",\"OS\":\"linux\",\"OSVersion\":\"6.1.0\",\"Container\":true,\"Distro\":"
	  "\"debian\",\"DistroVersion\":\"12.11\",\"DistroCodeName\":\"bookworm\",\"Desktop\":false,\"Hostname\":\"n1\",\"NoLogsNoSupport\":true,\"Machine\":\"x8"
	  "6_64\",\"GoArch\":\"amd64\",\"GoArchVar\":\"v1\",\"GoVersion\":\"go1.26.8\",\"Services\":[{\"Proto\":\"peerapi-dns-proxy\",\"Port\":1}],\"Userspace\":"
	  "false,\"UserspaceRouter\":false,\"AppConnector\":false,\"StateEncrypted\":false},\"OmitPeers\":true}" },
	{ "/machine/map",
	  "{\"Version\":142,\"Compress\":\"zstd\",\"KeepAlive\":true,\"NodeKey\":\"nodekey:abd48af70c917bce69ce061d1f46054ae4eb26c9a0630858d782139478310163\",\"D"
	  "iscoKey\":\"discokey:8139ab3e2eb754191b684c254d1aaf6fe3d909f70ea90f79372215a30b5bab2f\",\"Stream\":true,\"Hostinfo\":{\"IPNVersion\":\"1.102.5-ERR-Bui"
	  "ldInfo\",\"BackendLogID\":\"d23576dd3df7460434183e9fe745537557d8ce258f9b6e38b7c8f72ad8649b1a\",\"OS\":\"linux\",\"OSVersion\":\"6.1.0\",\"Container\":"
	  "true,\"Distro\":\"debian\",\"DistroVersion\":\"12.11\",\"DistroCodeName\":\"bookworm\",\"Desktop\":false,\"Hostname\":\"n1\",\"NoLogsNoSupport\":true,"
	  "\"Machine\":\"x86_64\",\"GoArch\":\"amd64\",\"GoArchVar\":\"v1\",\"GoVersion\":\"go1.26.8\",\"Services\":[{\"Proto\":\"peerapi-dns-proxy\",\"Port\":1}"
	  "],\"Userspace\":false,\"UserspaceRouter\":false,\"AppConnector\":false,\"StateEncrypted\":false}}" },
	{ "/machine/map",
	  "{\"Version\":142,\"Compress\":\"zstd\",\"KeepAlive\":true,\"NodeKey\":\"nodekey:abd48af70c917bce69ce061d1f46054ae4eb26c9a0630858d782139478310163\",\"D"
	  "iscoKey\":\"discokey:8139ab3e2eb754191b684c254d1aaf6fe3d909f70ea90f79372215a30b5bab2f\",\"Hostinfo\":{\"IPNVersion\":\"1.102.5-ERR-BuildInfo\",\"Backe"
	  "ndLogID\":\"d23576dd3df7460434183e9fe745537557d8ce258f9b6e38b7c8f72ad8649b1a\",\"OS\":\"linux\",\"OSVersion\":\"6.1.0\",\"Container\":true,\"Distro\":"
	  "\"debian\",\"DistroVersion\":\"12.11\",\"DistroCodeName\":\"bookworm\",\"Desktop\":false,\"Hostname\":\"n1\",\"NoLogsNoSupport\":true,\"Machine\":\"x8"
	  "6_64\",\"GoArch\":\"amd64\",\"GoArchVar\":\"v1\",\"GoVersion\":\"go1.26.8\",\"Services\":[{\"Proto\":\"peerapi4\",\"Port\":58436},{\"Proto\":\"peerapi"
	  "6\",\"Port\":59780},{\"Proto\":\"peerapi-dns-proxy\",\"Port\":1}],\"NetInfo\":{\"WorkingIPv6\":false,\"OSHasIPv6\":true,\"WorkingUDP\":true,\"WorkingI"
	  "CMPv4\":false,\"UPnP\":false,\"PMP\":false,\"PCP\":false,\"PreferredDERP\":999,\"DERPLatency\":{\"999-v4\":0.001415286},\"FirewallMode\":\"nft-forced\""
	  "},\"Userspace\":false,\"UserspaceRouter\":false,\"AppConnector\":false,\"StateEncrypted\":false},\"Endpoints\":[\"10.77.0.11:41641\"],\"EndpointTypes\""
	  ":[2],\"OmitPeers\":true}" },
	{ "/machine/map",
	  "{\"Version\":142,\"Compress\":\"zstd\",\"KeepAlive\":true,\"NodeKey\":\"nodekey:abd48af70c917bce69ce061d1f46054ae4eb26c9a0630858d782139478310163\",\"D"
	  "iscoKey\":\"discokey:8139ab3e2eb754191b684c254d1aaf6fe3d909f70ea90f79372215a30b5bab2f\",\"Hostinfo\":{\"IPNVersion\":\"1.102.5-ERR-BuildInfo\",\"Backe"
	  "ndLogID\":\"d23576dd3df7460434183e9fe745537557d8ce258f9b6e38b7c8f72ad8649b1a\",\"OS\":\"linux\",\"OSVersion\":\"6.1.0\",\"Container\":true,\"Distro\":"
	  "\"debian\",\"DistroVersion\":\"12.11\",\"DistroCodeName\":\"bookworm\",\"Desktop\":false,\"Hostname\":\"n1\",\"NoLogsNoSupport\":true,\"Machine\":\"x8"
	  "6_64\",\"GoArch\":\"amd64\",\"GoArchVar\":\"v1\",\"GoVersion\":\"go1.26.8\",\"Services\":[{\"Proto\":\"peerapi4\",\"Port\":58436},{\"Proto\":\"peerapi"
	  "6\",\"Port\":59780},{\"Proto\":\"peerapi-dns-proxy\",\"Port\":1}],\"NetInfo\":{\"MappingVariesByDestIP\":false,\"WorkingIPv6\":false,\"OSHasIPv6\":tru"
	  "e,\"WorkingUDP\":true,\"WorkingICMPv4\":false,\"UPnP\":false,\"PMP\":false,\"PCP\":false,\"PreferredDERP\":999,\"DERPLatency\":{\"999-v4\":0.000224022"
	  "},\"FirewallMode\":\"nft-forced\"},\"Userspace\":false,\"UserspaceRouter\":false,\"AppConnector\":false,\"StateEncrypted\":false},\"Endpoints\":[\"10."
	  "77.0.11:41641\"],\"EndpointTypes\":[2],\"OmitPeers\":true}" },
	{ "/machine/register",
	  "{\"Version\":142,\"NodeKey\":\"nodekey:7b81c0b4c19e1f7dfd09cae5e062dd00fefc1159ac10f02b9b749756037fb47b\",\"OldNodeKey\":\"nodekey:0000000000000000000"
	  "000000000000000000000000000000000000000000000\",\"NLKey\":\"nlpub:f04b396b110ad9f00cedfd4693c15b0f0d95f822134bebba2615e7e1a2c801c0\",\"Expiry\":\"0001"
	  "-01-01T00:00:00Z\",\"Followup\":\"\",\"Hostinfo\":{\"IPNVersion\":\"1.102.5-ERR-BuildInfo\",\"BackendLogID\":\"d23576dd3df7460434183e9fe745537557d8ce2"
	  "58f9b6e38b7c8f72ad8649b1a\",\"OS\":\"linux\",\"OSVersion\":\"6.1.0\",\"Container\":true,\"Distro\":\"debian\",\"DistroVersion\":\"12.11\",\"DistroCode"
	  "Name\":\"bookworm\",\"Desktop\":false,\"Hostname\":\"n2\",\"NoLogsNoSupport\":true,\"Machine\":\"x86_64\",\"GoArch\":\"amd64\",\"GoArchVar\":\"v1\",\""
	  "GoVersion\":\"go1.26.8\",\"Services\":[{\"Proto\":\"peerapi-dns-proxy\",\"Port\":1}],\"Userspace\":false,\"UserspaceRouter\":false,\"AppConnector\":fa"
	  "lse,\"StateEncrypted\":false},\"NodeKeySignature\":null}" },
	{ "/machine/map",
	  "{\"Version\":142,\"Compress\":\"zstd\",\"KeepAlive\":true,\"NodeKey\":\"nodekey:7b81c0b4c19e1f7dfd09cae5e062dd00fefc1159ac10f02b9b749756037fb47b\",\"D"
	  "iscoKey\":\"discokey:f853d3052496d2ab64aadcc152a8bfbb5cd9c7c860e34a8d0bd507395d220219\",\"Stream\":true,\"Hostinfo\":{\"IPNVersion\":\"1.102.5-ERR-Bui"
	  "ldInfo\",\"BackendLogID\":\"d23576dd3df7460434183e9fe745537557d8ce258f9b6e38b7c8f72ad8649b1a\",\"OS\":\"linux\",\"OSVersion\":\"6.1.0\",\"Container\":"
	  "true,\"Distro\":\"debian\",\"DistroVersion\":\"12.11\",\"DistroCodeName\":\"bookworm\",\"Desktop\":false,\"Hostname\":\"n2\",\"NoLogsNoSupport\":true,"
	  "\"Machine\":\"x86_64\",\"GoArch\":\"amd64\",\"GoArchVar\":\"v1\",\"GoVersion\":\"go1.26.8\",\"Services\":[{\"Proto\":\"peerapi4\",\"Port\":46590},{\"P"
	  "roto\":\"peerapi6\",\"Port\":47166},{\"Proto\":\"peerapi-dns-proxy\",\"Port\":1}],\"NetInfo\":{\"WorkingIPv6\":false,\"OSHasIPv6\":true,\"WorkingUDP\""
	  ":true,\"WorkingICMPv4\":false,\"UPnP\":false,\"PMP\":false,\"PCP\":false,\"PreferredDERP\":999,\"DERPLatency\":{\"999-v4\":0.000694241},\"FirewallMode"
	  "\":\"nft-forced\"},\"Userspace\":false,\"UserspaceRouter\":false,\"AppConnector\":false,\"StateEncrypted\":false},\"Endpoints\":[\"10.77.0.12:41641\"]"
	  ",\"EndpointTypes\":[2]}" },
	{ "/machine/register",
	  "{\"Version\":142,\"NodeKey\":\"nodekey:a8895efbdc8715468ddb7021cbf8656c7fc5c51600fb3ccd1b881ddb0a2e8d46\",\"OldNodeKey\":\"nodekey:0000000000000000000"
	  "000000000000000000000000000000000000000000000\",\"NLKey\":\"nlpub:81720031c43c9528109ce38a9b9d3c9a2bd07bb198dab04e1232b75ec6d07a0c\",\"Auth\":{\"AuthK"
	  "ey\":\"hskey-auth-20ea5c1dddf7-66c09bc9319a3626995c34cab5263282d2253cd632745135917f2da38d78f15f\"},\"Expiry\":\"0001-01-01T00:00:00Z\",\"Followup\":\""
	  "\",\"Hostinfo\":{\"IPNVersion\":\"1.102.5-ERR-BuildInfo\",\"BackendLogID\":\"d23576dd3df7460434183e9fe745537557d8ce258f9b6e38b7c8f72ad8649b1a\",\"OS\""
	  ":\"linux\",\"OSVersion\":\"6.1.0\",\"Container\":true,\"Distro\":\"debian\",\"DistroVersion\":\"12.11\",\"DistroCodeName\":\"bookworm\",\"Desktop\":fa"
	  "lse,\"Hostname\":\"n3\",\"NoLogsNoSupport\":true,\"Machine\":\"x86_64\",\"GoArch\":\"amd64\",\"GoArchVar\":\"v1\",\"GoVersion\":\"go1.26.8\",\"Service"
	  "s\":[{\"Proto\":\"peerapi-dns-proxy\",\"Port\":1}],\"sshHostKeys\":[\"ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABAQC/rGxGeoXKggrMX/JsHgyVX3TxK0Oc2rgG2BuewWVn"
	  "DR8A+0rbiL/MaAqVklePRpC+zmhIivEVlCJF6IY6g4SGonsErUvXRHhSrHIcvfz5brwBNH3gD6b/420CTlnWQmvIRgozpyHRWlKFYiPnn/++tWdSETJNypChKG3/B7e7HrvNfl/W8vmm8uz6rLlRab"
	  "F+9IG8zzTdO7QdMK32mPxrLu2lUt/Xuza2SIwehHleOLVBA0CBKGSDE8CFNk7EC87BBT9h6B1hfMhr+8WsQbSSi9ZAh6bGNSjN4ZvoXZsD1CXUo/hRgvB35NCxB5JiqSqtMSygGpHrkMAGeKe3bRZ3"
	  "\",\"ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBPYY2wvhgVNDr7cVk6Be2nU/cQ86HYjC+Cp6ChJNzquopWaigMeAlR141yQOcnjKMx9j7dFlL"
	  "gYlV9tn7a1u7pU=\",\"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAII7Zx2Nxgm9+U8BlY2Sdvd2Ovqiqka46etVRNbDaokc3\"],\"Userspace\":false,\"UserspaceRouter\":false,"
	  "\"AppConnector\":false,\"StateEncrypted\":false},\"NodeKeySignature\":null}" },
	{ "/machine/map",
	  "{\"Version\":142,\"Compress\":\"zstd\",\"KeepAlive\":true,\"NodeKey\":\"nodekey:a8895efbdc8715468ddb7021cbf8656c7fc5c51600fb3ccd1b881ddb0a2e8d46\",\"D"
	  "iscoKey\":\"discokey:d5600d3241d7a32549799b587147bf32ede3aacd44f82c168accedbe17300b41\",\"Hostinfo\":{\"IPNVersion\":\"1.102.5-ERR-BuildInfo\",\"Backe"
	  "ndLogID\":\"d23576dd3df7460434183e9fe745537557d8ce258f9b6e38b7c8f72ad8649b1a\",\"OS\":\"linux\",\"OSVersion\":\"6.1.0\",\"Container\":true,\"Distro\":"
	  "\"debian\",\"DistroVersion\":\"12.11\",\"DistroCodeName\":\"bookworm\",\"Desktop\":false,\"Hostname\":\"n3\",\"NoLogsNoSupport\":true,\"Machine\":\"x8"
	  "6_64\",\"GoArch\":\"amd64\",\"GoArchVar\":\"v1\",\"GoVersion\":\"go1.26.8\",\"Services\":[{\"Proto\":\"peerapi-dns-proxy\",\"Port\":1}],\"sshHostKeys\""
	  ":[\"ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABAQC/rGxGeoXKggrMX/JsHgyVX3TxK0Oc2rgG2BuewWVnDR8A+0rbiL/MaAqVklePRpC+zmhIivEVlCJF6IY6g4SGonsErUvXRHhSrHIcvfz5br"
	  "wBNH3gD6b/420CTlnWQmvIRgozpyHRWlKFYiPnn/++tWdSETJNypChKG3/B7e7HrvNfl/W8vmm8uz6rLlRabF+9IG8zzTdO7QdMK32mPxrLu2lUt/Xuza2SIwehHleOLVBA0CBKGSDE8CFNk7EC87B"
	  "BT9h6B1hfMhr+8WsQbSSi9ZAh6bGNSjN4ZvoXZsD1CXUo/hRgvB35NCxB5JiqSqtMSygGpHrkMAGeKe3bRZ3\",\"ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzd"
	  "HAyNTYAAABBBPYY2wvhgVNDr7cVk6Be2nU/cQ86HYjC+Cp6ChJNzquopWaigMeAlR141yQOcnjKMx9j7dFlLgYlV9tn7a1u7pU=\",\"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAII7Zx2Nxgm"
	  "9+U8BlY2Sdvd2Ovqiqka46etVRNbDaokc3\"],\"Userspace\":false,\"UserspaceRouter\":false,\"AppConnector\":false,\"StateEncrypted\":false},\"OmitPeers\":tru"
	  "e}" },
	{ "/machine/map",
	  "{\"Version\":142,\"Compress\":\"zstd\",\"KeepAlive\":true,\"NodeKey\":\"nodekey:a8895efbdc8715468ddb7021cbf8656c7fc5c51600fb3ccd1b881ddb0a2e8d46\",\"D"
	  "iscoKey\":\"discokey:d5600d3241d7a32549799b587147bf32ede3aacd44f82c168accedbe17300b41\",\"Stream\":true,\"Hostinfo\":{\"IPNVersion\":\"1.102.5-ERR-Bui"
	  "ldInfo\",\"BackendLogID\":\"d23576dd3df7460434183e9fe745537557d8ce258f9b6e38b7c8f72ad8649b1a\",\"OS\":\"linux\",\"OSVersion\":\"6.1.0\",\"Container\":"
	  "true,\"Distro\":\"debian\",\"DistroVersion\":\"12.11\",\"DistroCodeName\":\"bookworm\",\"Desktop\":false,\"Hostname\":\"n3\",\"NoLogsNoSupport\":true,"
	  "\"Machine\":\"x86_64\",\"GoArch\":\"amd64\",\"GoArchVar\":\"v1\",\"GoVersion\":\"go1.26.8\",\"Services\":[{\"Proto\":\"peerapi-dns-proxy\",\"Port\":1}"
	  "],\"sshHostKeys\":[\"ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABAQC/rGxGeoXKggrMX/JsHgyVX3TxK0Oc2rgG2BuewWVnDR8A+0rbiL/MaAqVklePRpC+zmhIivEVlCJF6IY6g4SGonsEr"
	  "UvXRHhSrHIcvfz5brwBNH3gD6b/420CTlnWQmvIRgozpyHRWlKFYiPnn/++tWdSETJNypChKG3/B7e7HrvNfl/W8vmm8uz6rLlRabF+9IG8zzTdO7QdMK32mPxrLu2lUt/Xuza2SIwehHleOLVBA0C"
	  "BKGSDE8CFNk7EC87BBT9h6B1hfMhr+8WsQbSSi9ZAh6bGNSjN4ZvoXZsD1CXUo/hRgvB35NCxB5JiqSqtMSygGpHrkMAGeKe3bRZ3\",\"ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlz"
	  "dHAyNTYAAAAIbmlzdHAyNTYAAABBBPYY2wvhgVNDr7cVk6Be2nU/cQ86HYjC+Cp6ChJNzquopWaigMeAlR141yQOcnjKMx9j7dFlLgYlV9tn7a1u7pU=\",\"ssh-ed25519 AAAAC3NzaC1lZDI1N"
	  "TE5AAAAII7Zx2Nxgm9+U8BlY2Sdvd2Ovqiqka46etVRNbDaokc3\"],\"Userspace\":false,\"UserspaceRouter\":false,\"AppConnector\":false,\"StateEncrypted\":false}}" },
	{ "/machine/map",
	  "{\"Version\":142,\"Compress\":\"zstd\",\"KeepAlive\":true,\"NodeKey\":\"nodekey:a8895efbdc8715468ddb7021cbf8656c7fc5c51600fb3ccd1b881ddb0a2e8d46\",\"D"
	  "iscoKey\":\"discokey:d5600d3241d7a32549799b587147bf32ede3aacd44f82c168accedbe17300b41\",\"Hostinfo\":{\"IPNVersion\":\"1.102.5-ERR-BuildInfo\",\"Backe"
	  "ndLogID\":\"d23576dd3df7460434183e9fe745537557d8ce258f9b6e38b7c8f72ad8649b1a\",\"OS\":\"linux\",\"OSVersion\":\"6.1.0\",\"Container\":true,\"Distro\":"
	  "\"debian\",\"DistroVersion\":\"12.11\",\"DistroCodeName\":\"bookworm\",\"Desktop\":false,\"Hostname\":\"n3\",\"NoLogsNoSupport\":true,\"Machine\":\"x8"
	  "6_64\",\"GoArch\":\"amd64\",\"GoArchVar\":\"v1\",\"GoVersion\":\"go1.26.8\",\"Services\":[{\"Proto\":\"peerapi4\",\"Port\":34152},{\"Proto\":\"peerapi"
	  "6\",\"Port\":34984},{\"Proto\":\"peerapi-dns-proxy\",\"Port\":1}],\"NetInfo\":{\"WorkingIPv6\":false,\"OSHasIPv6\":true,\"WorkingUDP\":true,\"WorkingI"
	  "CMPv4\":false,\"UPnP\":false,\"PMP\":false,\"PCP\":false,\"PreferredDERP\":999,\"DERPLatency\":{\"999-v4\":0.000654401},\"FirewallMode\":\"nft-forced\""
	  "},\"sshHostKeys\":[\"ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABAQC/rGxGeoXKggrMX/JsHgyVX3TxK0Oc2rgG2BuewWVnDR8A+0rbiL/MaAqVklePRpC+zmhIivEVlCJF6IY6g4SGonsEr"
	  "UvXRHhSrHIcvfz5brwBNH3gD6b/420CTlnWQmvIRgozpyHRWlKFYiPnn/++tWdSETJNypChKG3/B7e7HrvNfl/W8vmm8uz6rLlRabF+9IG8zzTdO7QdMK32mPxrLu2lUt/Xuza2SIwehHleOLVBA0C"
	  "BKGSDE8CFNk7EC87BBT9h6B1hfMhr+8WsQbSSi9ZAh6bGNSjN4ZvoXZsD1CXUo/hRgvB35NCxB5JiqSqtMSygGpHrkMAGeKe3bRZ3\",\"ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlz"
	  "dHAyNTYAAAAIbmlzdHAyNTYAAABBBPYY2wvhgVNDr7cVk6Be2nU/cQ86HYjC+Cp6ChJNzquopWaigMeAlR141yQOcnjKMx9j7dFlLgYlV9tn7a1u7pU=\",\"ssh-ed25519 AAAAC3NzaC1lZDI1N"
	  "TE5AAAAII7Zx2Nxgm9+U8BlY2Sdvd2Ovqiqka46etVRNbDaokc3\"],\"Userspace\":false,\"UserspaceRouter\":false,\"AppConnector\":false,\"StateEncrypted\":false},"
	  "\"Endpoints\":[\"10.77.0.13:41641\"],\"EndpointTypes\":[2],\"OmitPeers\":true}" },
	{ "/machine/map",
	  "{\"Version\":142,\"Compress\":\"zstd\",\"KeepAlive\":true,\"NodeKey\":\"nodekey:a8895efbdc8715468ddb7021cbf8656c7fc5c51600fb3ccd1b881ddb0a2e8d46\",\"D"
	  "iscoKey\":\"discokey:d5600d3241d7a32549799b587147bf32ede3aacd44f82c168accedbe17300b41\",\"Hostinfo\":{\"IPNVersion\":\"1.102.5-ERR-BuildInfo\",\"Backe"
	  "ndLogID\":\"d23576dd3df7460434183e9fe745537557d8ce258f9b6e38b7c8f72ad8649b1a\",\"OS\":\"linux\",\"OSVersion\":\"6.1.0\",\"Container\":true,\"Distro\":"
	  "\"debian\",\"DistroVersion\":\"12.11\",\"DistroCodeName\":\"bookworm\",\"Desktop\":false,\"Hostname\":\"n3\",\"NoLogsNoSupport\":true,\"Machine\":\"x8"
	  "6_64\",\"GoArch\":\"amd64\",\"GoArchVar\":\"v1\",\"GoVersion\":\"go1.26.8\",\"Services\":[{\"Proto\":\"peerapi4\",\"Port\":34152},{\"Proto\":\"peerapi"
	  "6\",\"Port\":34984},{\"Proto\":\"peerapi-dns-proxy\",\"Port\":1}],\"NetInfo\":{\"MappingVariesByDestIP\":false,\"WorkingIPv6\":false,\"OSHasIPv6\":tru"
	  "e,\"WorkingUDP\":true,\"WorkingICMPv4\":false,\"UPnP\":false,\"PMP\":false,\"PCP\":false,\"PreferredDERP\":999,\"DERPLatency\":{\"999-v4\":0.000521515"
	  "},\"FirewallMode\":\"nft-forced\"},\"sshHostKeys\":[\"ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABAQC/rGxGeoXKggrMX/JsHgyVX3TxK0Oc2rgG2BuewWVnDR8A+0rbiL/MaAqV"
	  "klePRpC+zmhIivEVlCJF6IY6g4SGonsErUvXRHhSrHIcvfz5brwBNH3gD6b/420CTlnWQmvIRgozpyHRWlKFYiPnn/++tWdSETJNypChKG3/B7e7HrvNfl/W8vmm8uz6rLlRabF+9IG8zzTdO7QdMK"
	  "32mPxrLu2lUt/Xuza2SIwehHleOLVBA0CBKGSDE8CFNk7EC87BBT9h6B1hfMhr+8WsQbSSi9ZAh6bGNSjN4ZvoXZsD1CXUo/hRgvB35NCxB5JiqSqtMSygGpHrkMAGeKe3bRZ3\",\"ecdsa-sha2-"
	  "nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBPYY2wvhgVNDr7cVk6Be2nU/cQ86HYjC+Cp6ChJNzquopWaigMeAlR141yQOcnjKMx9j7dFlLgYlV9tn7a1u7pU=\""
	  ",\"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAII7Zx2Nxgm9+U8BlY2Sdvd2Ovqiqka46etVRNbDaokc3\"],\"Userspace\":false,\"UserspaceRouter\":false,\"AppConnector\":"
	  "false,\"StateEncrypted\":false},\"Endpoints\":[\"10.77.0.13:41641\"],\"EndpointTypes\":[2],\"OmitPeers\":true}" },
	{ "/machine/map",
	  "{\"Version\":142,\"Compress\":\"zstd\",\"KeepAlive\":true,\"NodeKey\":\"nodekey:a8895efbdc8715468ddb7021cbf8656c7fc5c51600fb3ccd1b881ddb0a2e8d46\",\"D"
	  "iscoKey\":\"discokey:d5600d3241d7a32549799b587147bf32ede3aacd44f82c168accedbe17300b41\",\"Hostinfo\":{\"IPNVersion\":\"1.102.5-ERR-BuildInfo\",\"Backe"
	  "ndLogID\":\"d23576dd3df7460434183e9fe745537557d8ce258f9b6e38b7c8f72ad8649b1a\",\"OS\":\"linux\",\"OSVersion\":\"6.1.0\",\"Container\":true,\"Distro\":"
	  "\"debian\",\"DistroVersion\":\"12.11\",\"DistroCodeName\":\"bookworm\",\"Desktop\":false,\"Hostname\":\"n3\",\"NoLogsNoSupport\":true,\"Machine\":\"x8"
	  "6_64\",\"GoArch\":\"amd64\",\"GoArchVar\":\"v1\",\"GoVersion\":\"go1.26.8\",\"RoutableIPs\":[\"0.0.0.0/0\",\"::/0\",\"10.88.0.0/24\"],\"Services\":[{\""
	  "Proto\":\"peerapi4\",\"Port\":34152},{\"Proto\":\"peerapi6\",\"Port\":34984},{\"Proto\":\"peerapi-dns-proxy\",\"Port\":1}],\"NetInfo\":{\"MappingVarie"
	  "sByDestIP\":false,\"WorkingIPv6\":false,\"OSHasIPv6\":true,\"WorkingUDP\":true,\"WorkingICMPv4\":false,\"UPnP\":false,\"PMP\":false,\"PCP\":false,\"Pr"
	  "eferredDERP\":999,\"DERPLatency\":{\"999-v4\":0.000521515},\"FirewallMode\":\"nft-forced\"},\"sshHostKeys\":[\"ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABAQC"
	  "/rGxGeoXKggrMX/JsHgyVX3TxK0Oc2rgG2BuewWVnDR8A+0rbiL/MaAqVklePRpC+zmhIivEVlCJF6IY6g4SGonsErUvXRHhSrHIcvfz5brwBNH3gD6b/420CTlnWQmvIRgozpyHRWlKFYiPnn/++t"
	  "WdSETJNypChKG3/B7e7HrvNfl/W8vmm8uz6rLlRabF+9IG8zzTdO7QdMK32mPxrLu2lUt/Xuza2SIwehHleOLVBA0CBKGSDE8CFNk7EC87BBT9h6B1hfMhr+8WsQbSSi9ZAh6bGNSjN4ZvoXZsD1CX"
	  "Uo/hRgvB35NCxB5JiqSqtMSygGpHrkMAGeKe3bRZ3\",\"ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBPYY2wvhgVNDr7cVk6Be2nU/cQ86HYjC"
	  "+Cp6ChJNzquopWaigMeAlR141yQOcnjKMx9j7dFlLgYlV9tn7a1u7pU=\",\"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAII7Zx2Nxgm9+U8BlY2Sdvd2Ovqiqka46etVRNbDaokc3\"],\"Use"
	  "rspace\":false,\"UserspaceRouter\":false,\"AppConnector\":false,\"StateEncrypted\":false},\"Endpoints\":[\"10.77.0.13:41641\"],\"EndpointTypes\":[2],\""
	  "OmitPeers\":true,\"DebugFlags\":[\"warn-ip-forwarding-off\"]}" },
	{ "/machine/register",
	  "{\"Version\":142,\"NodeKey\":\"nodekey:89053d0a45f688e22152b81d737cb0cd1671fb81f24f2d3c4f1bc0a75ff54737\",\"OldNodeKey\":\"nodekey:0000000000000000000"
	  "000000000000000000000000000000000000000000000\",\"NLKey\":\"nlpub:268686cfddc0f531dc9d1bd7ba4c619a4ef17ba934a7972e7084cad3a41bead0\",\"Expiry\":\"0001"
	  "-01-01T00:00:00Z\",\"Followup\":\"https://control.test/register/hskey-authreq-5366065c8c2996527f47f6b8\",\"Hostinfo\":{\"IPNVersion\":\"1.102.5-ERR-Bu"
	  "ildInfo\",\"BackendLogID\":\"d23576dd3df7460434183e9fe745537557d8ce258f9b6e38b7c8f72ad8649b1a\",\"OS\":\"linux\",\"OSVersion\":\"6.1.0\",\"Container\""
	  ":true,\"Distro\":\"debian\",\"DistroVersion\":\"12.11\",\"DistroCodeName\":\"bookworm\",\"Desktop\":false,\"Hostname\":\"n4\",\"NoLogsNoSupport\":true"
	  ",\"Machine\":\"x86_64\",\"GoArch\":\"amd64\",\"GoArchVar\":\"v1\",\"GoVersion\":\"go1.26.8\",\"Services\":[{\"Proto\":\"peerapi-dns-proxy\",\"Port\":1"
	  "}],\"Userspace\":false,\"UserspaceRouter\":false,\"AppConnector\":false,\"StateEncrypted\":false},\"NodeKeySignature\":null}" },
	{ "/machine/register",
	  "{\"Version\":142,\"NodeKey\":\"nodekey:099ec352a9c861a6e34928a6b5f44558590f3ff1e757254841981f7833ade61c\",\"OldNodeKey\":\"nodekey:0000000000000000000"
	  "000000000000000000000000000000000000000000000\",\"NLKey\":\"nlpub:cfebd999225aa89c1c39dfe7ea6f7d80e7b8f67b4346ee71aba5fc514dcf0065\",\"Auth\":{\"AuthK"
	  "ey\":\"hskey-auth-a0d07dfe9d65-1595ed6f16eb7137a505b235a331c37d2a08f472770c954075b917a6b18a8da6\"},\"Expiry\":\"1970-01-01T00:02:03Z\",\"Followup\":\""
	  "\",\"Hostinfo\":{\"IPNVersion\":\"1.102.5-ERR-BuildInfo\",\"BackendLogID\":\"d23576dd3df7460434183e9fe745537557d8ce258f9b6e38b7c8f72ad8649b1a\",\"OS\""
	  ":\"linux\",\"OSVersion\":\"6.1.0\",\"Container\":true,\"Distro\":\"debian\",\"DistroVersion\":\"12.11\",\"DistroCodeName\":\"bookworm\",\"Desktop\":fa"
	  "lse,\"Hostname\":\"n5\",\"NoLogsNoSupport\":true,\"Machine\":\"x86_64\",\"GoArch\":\"amd64\",\"GoArchVar\":\"v1\",\"GoVersion\":\"go1.26.8\",\"Service"
	  "s\":[{\"Proto\":\"peerapi4\",\"Port\":41053},{\"Proto\":\"peerapi6\",\"Port\":44445},{\"Proto\":\"peerapi-dns-proxy\",\"Port\":1}],\"NetInfo\":{\"Work"
	  "ingIPv6\":false,\"OSHasIPv6\":true,\"WorkingUDP\":true,\"WorkingICMPv4\":false,\"UPnP\":false,\"PMP\":false,\"PCP\":false,\"PreferredDERP\":999,\"DERP"
	  "Latency\":{\"999-v4\":0.000454295},\"FirewallMode\":\"nft-forced\"},\"Userspace\":false,\"UserspaceRouter\":false,\"AppConnector\":false,\"StateEncryp"
	  "ted\":false},\"NodeKeySignature\":null}" },
	{ "/machine/register",
	  "{\"Version\":113,\"NodeKey\":\"nodekey:06a97e43ad39bb8b27fc9932628b93bfa6b8bc09937d5c34c6b914bf15765276\",\"OldNodeKey\":\"nodekey:0000000000000000000"
	  "000000000000000000000000000000000000000000000\",\"NLKey\":\"nlpub:27b776322b65cef61e915532be9c6365d81dcec6ce8e375b552d9d48a2c6051b\",\"Auth\":{\"AuthK"
	  "ey\":\"hskey-auth-0a22dfc307c4-f7175e8df68d3a0e89cfbbd55e2a1dc4476a866c5efe4d0f6a5d5310aafdf755\"},\"Expiry\":\"0001-01-01T00:00:00Z\",\"Followup\":\""
	  "\",\"Hostinfo\":{\"IPNVersion\":\"1.80.3-ERR-BuildInfo\",\"BackendLogID\":\"d23576dd3df7460434183e9fe745537557d8ce258f9b6e38b7c8f72ad8649b1a\",\"OS\":"
	  "\"linux\",\"OSVersion\":\"6.1.0\",\"Container\":true,\"Distro\":\"debian\",\"DistroVersion\":\"12.11\",\"DistroCodeName\":\"bookworm\",\"Desktop\":fal"
	  "se,\"Hostname\":\"n1\",\"NoLogsNoSupport\":true,\"Machine\":\"x86_64\",\"GoArch\":\"amd64\",\"GoArchVar\":\"v1\",\"GoVersion\":\"go1.26.8\",\"Userspac"
	  "e\":false,\"UserspaceRouter\":false,\"AppConnector\":false},\"NodeKeySignature\":null}" },
	{ "/machine/map",
	  "{\"Version\":113,\"Compress\":\"zstd\",\"KeepAlive\":true,\"NodeKey\":\"nodekey:06a97e43ad39bb8b27fc9932628b93bfa6b8bc09937d5c34c6b914bf15765276\",\"D"
	  "iscoKey\":\"discokey:e2364e3be9a662f424e11d5c7932785bcbf8ad1d7d55a2814e2b1950dca84f4b\",\"Stream\":true,\"Hostinfo\":{\"IPNVersion\":\"1.80.3-ERR-Buil"
	  "dInfo\",\"BackendLogID\":\"d23576dd3df7460434183e9fe745537557d8ce258f9b6e38b7c8f72ad8649b1a\",\"OS\":\"linux\",\"OSVersion\":\"6.1.0\",\"Container\":t"
	  "rue,\"Distro\":\"debian\",\"DistroVersion\":\"12.11\",\"DistroCodeName\":\"bookworm\",\"Desktop\":false,\"Hostname\":\"n1\",\"NoLogsNoSupport\":true,\""
	  "Machine\":\"x86_64\",\"GoArch\":\"amd64\",\"GoArchVar\":\"v1\",\"GoVersion\":\"go1.26.8\",\"Userspace\":false,\"UserspaceRouter\":false,\"AppConnector"
	  "\":false}}" },
	{ "/machine/map",
	  "{\"Version\":113,\"Compress\":\"zstd\",\"KeepAlive\":true,\"NodeKey\":\"nodekey:06a97e43ad39bb8b27fc9932628b93bfa6b8bc09937d5c34c6b914bf15765276\",\"D"
	  "iscoKey\":\"discokey:e2364e3be9a662f424e11d5c7932785bcbf8ad1d7d55a2814e2b1950dca84f4b\",\"Stream\":false,\"Hostinfo\":{\"IPNVersion\":\"1.80.3-ERR-Bui"
	  "ldInfo\",\"BackendLogID\":\"d23576dd3df7460434183e9fe745537557d8ce258f9b6e38b7c8f72ad8649b1a\",\"OS\":\"linux\",\"OSVersion\":\"6.1.0\",\"Container\":"
	  "true,\"Distro\":\"debian\",\"DistroVersion\":\"12.11\",\"DistroCodeName\":\"bookworm\",\"Desktop\":false,\"Hostname\":\"n1\",\"NoLogsNoSupport\":true,"
	  "\"Machine\":\"x86_64\",\"GoArch\":\"amd64\",\"GoArchVar\":\"v1\",\"GoVersion\":\"go1.26.8\",\"Userspace\":false,\"UserspaceRouter\":false,\"AppConnect"
	  "or\":false},\"OmitPeers\":true}" },
	{ "/machine/update-health",
	  "{\"Subsys\":\"not-in-map-poll\",\"Error\":\"\",\"NodeKey\":\"nodekey:06a97e43ad39bb8b27fc9932628b93bfa6b8bc09937d5c34c6b914bf15765276\"}" },
	{ "/machine/map",
	  "{\"Version\":113,\"Compress\":\"zstd\",\"KeepAlive\":true,\"NodeKey\":\"nodekey:06a97e43ad39bb8b27fc9932628b93bfa6b8bc09937d5c34c6b914bf15765276\",\"D"
	  "iscoKey\":\"discokey:e2364e3be9a662f424e11d5c7932785bcbf8ad1d7d55a2814e2b1950dca84f4b\",\"Stream\":false,\"Hostinfo\":{\"IPNVersion\":\"1.80.3-ERR-Bui"
	  "ldInfo\",\"BackendLogID\":\"d23576dd3df7460434183e9fe745537557d8ce258f9b6e38b7c8f72ad8649b1a\",\"OS\":\"linux\",\"OSVersion\":\"6.1.0\",\"Container\":"
	  "true,\"Distro\":\"debian\",\"DistroVersion\":\"12.11\",\"DistroCodeName\":\"bookworm\",\"Desktop\":false,\"Hostname\":\"n1\",\"NoLogsNoSupport\":true,"
	  "\"Machine\":\"x86_64\",\"GoArch\":\"amd64\",\"GoArchVar\":\"v1\",\"GoVersion\":\"go1.26.8\",\"Services\":[{\"Proto\":\"peerapi4\",\"Port\":58436},{\"P"
	  "roto\":\"peerapi6\",\"Port\":59780},{\"Proto\":\"peerapi-dns-proxy\",\"Port\":1}],\"Userspace\":false,\"UserspaceRouter\":false,\"AppConnector\":false"
	  "},\"OmitPeers\":true}" },
	{ "/machine/map",
	  "{\"Version\":113,\"Compress\":\"zstd\",\"KeepAlive\":true,\"NodeKey\":\"nodekey:06a97e43ad39bb8b27fc9932628b93bfa6b8bc09937d5c34c6b914bf15765276\",\"D"
	  "iscoKey\":\"discokey:e2364e3be9a662f424e11d5c7932785bcbf8ad1d7d55a2814e2b1950dca84f4b\",\"Stream\":false,\"Hostinfo\":{\"IPNVersion\":\"1.80.3-ERR-Bui"
	  "ldInfo\",\"BackendLogID\":\"d23576dd3df7460434183e9fe745537557d8ce258f9b6e38b7c8f72ad8649b1a\",\"OS\":\"linux\",\"OSVersion\":\"6.1.0\",\"Container\":"
	  "true,\"Distro\":\"debian\",\"DistroVersion\":\"12.11\",\"DistroCodeName\":\"bookworm\",\"Desktop\":false,\"Hostname\":\"n1\",\"NoLogsNoSupport\":true,"
	  "\"Machine\":\"x86_64\",\"GoArch\":\"amd64\",\"GoArchVar\":\"v1\",\"GoVersion\":\"go1.26.8\",\"Services\":[{\"Proto\":\"peerapi4\",\"Port\":58436},{\"P"
	  "roto\":\"peerapi6\",\"Port\":59780},{\"Proto\":\"peerapi-dns-proxy\",\"Port\":1}],\"NetInfo\":{\"MappingVariesByDestIP\":null,\"HairPinning\":null,\"W"
	  "orkingIPv6\":false,\"OSHasIPv6\":true,\"WorkingUDP\":true,\"WorkingICMPv4\":false,\"UPnP\":false,\"PMP\":false,\"PCP\":false,\"PreferredDERP\":999,\"D"
	  "ERPLatency\":{\"999-v4\":0.001547458},\"FirewallMode\":\"nft-forced\"},\"Userspace\":false,\"UserspaceRouter\":false,\"AppConnector\":false},\"Endpoin"
	  "ts\":[\"10.77.0.11:41641\"],\"EndpointTypes\":[2],\"OmitPeers\":true}" },
	{ "/machine/map",
	  "{\"Version\":113,\"Compress\":\"zstd\",\"KeepAlive\":true,\"NodeKey\":\"nodekey:e207c9daa92f714b7792ab628571b1bcfc2721e86c79f23d1fcd2bbef8471771\",\"D"
	  "iscoKey\":\"discokey:a242c1d439885858569007ae971ad9ba18b285681c06db52b86f0ab5de11424a\",\"Stream\":false,\"Hostinfo\":{\"IPNVersion\":\"1.80.3-ERR-Bui"
	  "ldInfo\",\"BackendLogID\":\"d23576dd3df7460434183e9fe745537557d8ce258f9b6e38b7c8f72ad8649b1a\",\"OS\":\"linux\",\"OSVersion\":\"6.1.0\",\"Container\":"
	  "true,\"Distro\":\"debian\",\"DistroVersion\":\"12.11\",\"DistroCodeName\":\"bookworm\",\"Desktop\":false,\"Hostname\":\"n2\",\"NoLogsNoSupport\":true,"
	  "\"Machine\":\"x86_64\",\"GoArch\":\"amd64\",\"GoArchVar\":\"v1\",\"GoVersion\":\"go1.26.8\",\"Services\":[{\"Proto\":\"peerapi4\",\"Port\":46590},{\"P"
	  "roto\":\"peerapi6\",\"Port\":47166},{\"Proto\":\"peerapi-dns-proxy\",\"Port\":1}],\"NetInfo\":{\"MappingVariesByDestIP\":false,\"HairPinning\":null,\""
	  "WorkingIPv6\":false,\"OSHasIPv6\":true,\"WorkingUDP\":true,\"WorkingICMPv4\":false,\"UPnP\":false,\"PMP\":false,\"PCP\":false,\"PreferredDERP\":999,\""
	  "DERPLatency\":{\"999-v4\":0.000190323},\"FirewallMode\":\"nft-forced\"},\"Userspace\":false,\"UserspaceRouter\":false,\"AppConnector\":false},\"Endpoi"
	  "nts\":[\"10.77.0.12:41641\"],\"EndpointTypes\":[2],\"OmitPeers\":true}" },
	{ "/machine/register",
	  "{\"Version\":113,\"NodeKey\":\"nodekey:e207c9daa92f714b7792ab628571b1bcfc2721e86c79f23d1fcd2bbef8471771\",\"OldNodeKey\":\"nodekey:0000000000000000000"
	  "000000000000000000000000000000000000000000000\",\"NLKey\":\"nlpub:9462a6e070a06f6a452b8e04469f22f0a12ed5ef8acc4ba69c8f57b8c32cfaa3\",\"Expiry\":\"0001"
	  "-01-01T00:00:00Z\",\"Followup\":\"\",\"Hostinfo\":{\"IPNVersion\":\"1.80.3-ERR-BuildInfo\",\"BackendLogID\":\"d23576dd3df7460434183e9fe745537557d8ce25"
	  "8f9b6e38b7c8f72ad8649b1a\",\"OS\":\"linux\",\"OSVersion\":\"6.1.0\",\"Container\":true,\"Distro\":\"debian\",\"DistroVersion\":\"12.11\",\"DistroCodeN"
	  "ame\":\"bookworm\",\"Desktop\":false,\"Hostname\":\"n2\",\"NoLogsNoSupport\":true,\"Machine\":\"x86_64\",\"GoArch\":\"amd64\",\"GoArchVar\":\"v1\",\"G"
	  "oVersion\":\"go1.26.8\",\"Userspace\":false,\"UserspaceRouter\":false,\"AppConnector\":false},\"NodeKeySignature\":null}" },
	{ "/machine/map",
	  "{\"Version\":113,\"Compress\":\"zstd\",\"KeepAlive\":true,\"NodeKey\":\"nodekey:06a97e43ad39bb8b27fc9932628b93bfa6b8bc09937d5c34c6b914bf15765276\",\"D"
	  "iscoKey\":\"discokey:e2364e3be9a662f424e11d5c7932785bcbf8ad1d7d55a2814e2b1950dca84f4b\",\"Stream\":true,\"Hostinfo\":{\"IPNVersion\":\"1.80.3-ERR-Buil"
	  "dInfo\",\"BackendLogID\":\"d23576dd3df7460434183e9fe745537557d8ce258f9b6e38b7c8f72ad8649b1a\",\"OS\":\"linux\",\"OSVersion\":\"6.1.0\",\"Container\":t"
	  "rue,\"Distro\":\"debian\",\"DistroVersion\":\"12.11\",\"DistroCodeName\":\"bookworm\",\"Desktop\":false,\"Hostname\":\"n1\",\"NoLogsNoSupport\":true,\""
	  "Machine\":\"x86_64\",\"GoArch\":\"amd64\",\"GoArchVar\":\"v1\",\"GoVersion\":\"go1.26.8\",\"Services\":[{\"Proto\":\"peerapi4\",\"Port\":58436},{\"Pro"
	  "to\":\"peerapi6\",\"Port\":59780},{\"Proto\":\"peerapi-dns-proxy\",\"Port\":1}],\"NetInfo\":{\"MappingVariesByDestIP\":false,\"HairPinning\":null,\"Wo"
	  "rkingIPv6\":false,\"OSHasIPv6\":true,\"WorkingUDP\":true,\"WorkingICMPv4\":false,\"UPnP\":false,\"PMP\":false,\"PCP\":false,\"PreferredDERP\":999,\"DE"
	  "RPLatency\":{\"999-v4\":0.000219966},\"FirewallMode\":\"nft-forced\"},\"Userspace\":false,\"UserspaceRouter\":false,\"AppConnector\":false},\"Endpoint"
	  "s\":[\"10.77.0.11:41641\"],\"EndpointTypes\":[2]}" },
	{ "/machine/map",
	  "{\"Version\":113,\"Compress\":\"zstd\",\"KeepAlive\":true,\"NodeKey\":\"nodekey:e207c9daa92f714b7792ab628571b1bcfc2721e86c79f23d1fcd2bbef8471771\",\"D"
	  "iscoKey\":\"discokey:b026ddc674c221588a03e18305ff7b9f4b00c687c75022fa47c34fd0a6570717\",\"Stream\":true,\"Hostinfo\":{\"IPNVersion\":\"1.80.3-ERR-Buil"
	  "dInfo\",\"BackendLogID\":\"d23576dd3df7460434183e9fe745537557d8ce258f9b6e38b7c8f72ad8649b1a\",\"OS\":\"linux\",\"OSVersion\":\"6.1.0\",\"Container\":t"
	  "rue,\"Distro\":\"debian\",\"DistroVersion\":\"12.11\",\"DistroCodeName\":\"bookworm\",\"Desktop\":false,\"Hostname\":\"n2\",\"NoLogsNoSupport\":true,\""
	  "Machine\":\"x86_64\",\"GoArch\":\"amd64\",\"GoArchVar\":\"v1\",\"GoVersion\":\"go1.26.8\",\"Services\":[{\"Proto\":\"peerapi4\",\"Port\":46590},{\"Pro"
	  "to\":\"peerapi6\",\"Port\":47166},{\"Proto\":\"peerapi-dns-proxy\",\"Port\":1}],\"NetInfo\":{\"MappingVariesByDestIP\":null,\"HairPinning\":null,\"Wor"
	  "kingIPv6\":false,\"OSHasIPv6\":true,\"WorkingUDP\":true,\"WorkingICMPv4\":false,\"UPnP\":false,\"PMP\":false,\"PCP\":false,\"PreferredDERP\":999,\"DER"
	  "PLatency\":{\"999-v4\":0.000948258},\"FirewallMode\":\"nft-forced\"},\"Userspace\":false,\"UserspaceRouter\":false,\"AppConnector\":false},\"Endpoints"
	  "\":[\"10.77.0.12:41641\"],\"EndpointTypes\":[2]}" },
	{ "/machine/register",
	  "{\"Version\":113,\"NodeKey\":\"nodekey:8a025143fb37bef9dfaa64252cef0677bc64e0633591a1d7cda833923b007f18\",\"OldNodeKey\":\"nodekey:0000000000000000000"
	  "000000000000000000000000000000000000000000000\",\"NLKey\":\"nlpub:9f0edf02e9f4fb778f7d6df43114219eb1982a58b7df28bcf879a0546e556355\",\"Auth\":{\"AuthK"
	  "ey\":\"hskey-auth-0a22dfc307c4-f7175e8df68d3a0e89cfbbd55e2a1dc4476a866c5efe4d0f6a5d5310aafdf755\"},\"Expiry\":\"0001-01-01T00:00:00Z\",\"Followup\":\""
	  "\",\"Hostinfo\":{\"IPNVersion\":\"1.80.3-ERR-BuildInfo\",\"BackendLogID\":\"d23576dd3df7460434183e9fe745537557d8ce258f9b6e38b7c8f72ad8649b1a\",\"OS\":"
	  "\"linux\",\"OSVersion\":\"6.1.0\",\"Container\":true,\"Distro\":\"debian\",\"DistroVersion\":\"12.11\",\"DistroCodeName\":\"bookworm\",\"Desktop\":fal"
	  "se,\"Hostname\":\"n3\",\"NoLogsNoSupport\":true,\"Machine\":\"x86_64\",\"GoArch\":\"amd64\",\"GoArchVar\":\"v1\",\"GoVersion\":\"go1.26.8\",\"sshHostK"
	  "eys\":[\"ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABAQCrz70D4TW+mGxBOLMb94xmvrl8OSu7LPB7m/lkpNEaDJiFv5Rpw1YfuEH+YUOF7ID43mUPJvj0Fv/8ImXmz60BkdSElDm0yu6BhrJ3V"
	  "/Qv5pqcRDoikU/62zXeAZXhzD/NsU7j+qReJtnxVX9XxNIBnmIAFQ4ThyEl19fjdv8KbADiOPU88uoes/wXF2K/hdeIc49/uaxu2j9cVa7GQX+UPDqMrkyE4RrMnd2pS7jAxEK/30Eb51WXO86R3cm"
	  "7MLFY7WFamdXjeIIGKDy32WiiZOS4f85yORa5r0wEGY6KDyXEYXbG3YHRhcF99+50YqeRT1xtgCPXc4xtrFmPl/Jl\",\"ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAI"
	  "bmlzdHAyNTYAAABBBK2WPn6qnhy4zAhENZVvoLGLjc3HmGMKA1GHrm64Dazehmpl04x1prBVQED0T4KgqJi4M6qmfLkZRMUTwu+/K0E=\",\"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIADtO"
	  "/AgbTLYQrz+6yz1bQHhL3rQZJWbVArAFaPyP+j7\"],\"Userspace\":false,\"UserspaceRouter\":false,\"AppConnector\":false},\"NodeKeySignature\":null}" },
	{ "/machine/map",
	  "{\"Version\":113,\"Compress\":\"zstd\",\"KeepAlive\":true,\"NodeKey\":\"nodekey:8a025143fb37bef9dfaa64252cef0677bc64e0633591a1d7cda833923b007f18\",\"D"
	  "iscoKey\":\"discokey:2c42b6e397aa185ded70a289d7efd3362937998e111b1c2a0b5850f9ed954133\",\"Stream\":false,\"Hostinfo\":{\"IPNVersion\":\"1.80.3-ERR-Bui"
	  "ldInfo\",\"BackendLogID\":\"d23576dd3df7460434183e9fe745537557d8ce258f9b6e38b7c8f72ad8649b1a\",\"OS\":\"linux\",\"OSVersion\":\"6.1.0\",\"Container\":"
	  "true,\"Distro\":\"debian\",\"DistroVersion\":\"12.11\",\"DistroCodeName\":\"bookworm\",\"Desktop\":false,\"Hostname\":\"n3\",\"NoLogsNoSupport\":true,"
	  "\"Machine\":\"x86_64\",\"GoArch\":\"amd64\",\"GoArchVar\":\"v1\",\"GoVersion\":\"go1.26.8\",\"sshHostKeys\":[\"ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABAQC"
	  "rz70D4TW+mGxBOLMb94xmvrl8OSu7LPB7m/lkpNEaDJiFv5Rpw1YfuEH+YUOF7ID43mUPJvj0Fv/8ImXmz60BkdSElDm0yu6BhrJ3V/Qv5pqcRDoikU/62zXeAZXhzD/NsU7j+qReJtnxVX9XxNIBn"
	  "mIAFQ4ThyEl19fjdv8KbADiOPU88uoes/wXF2K/hdeIc49/uaxu2j9cVa7GQX+UPDqMrkyE4RrMnd2pS7jAxEK/30Eb51WXO86R3cm7MLFY7WFamdXjeIIGKDy32WiiZOS4f85yORa5r0wEGY6KDyX"
	  "EYXbG3YHRhcF99+50YqeRT1xtgCPXc4xtrFmPl/Jl\",\"ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBK2WPn6qnhy4zAhENZVvoLGLjc3HmGMK"
	  "A1GHrm64Dazehmpl04x1prBVQED0T4KgqJi4M6qmfLkZRMUTwu+/K0E=\",\"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIADtO/AgbTLYQrz+6yz1bQHhL3rQZJWbVArAFaPyP+j7\"],\"Use"
	  "rspace\":false,\"UserspaceRouter\":false,\"AppConnector\":false},\"OmitPeers\":true}" },
	{ "/machine/map",
	  "{\"Version\":113,\"Compress\":\"zstd\",\"KeepAlive\":true,\"NodeKey\":\"nodekey:8a025143fb37bef9dfaa64252cef0677bc64e0633591a1d7cda833923b007f18\",\"D"
	  "iscoKey\":\"discokey:2c42b6e397aa185ded70a289d7efd3362937998e111b1c2a0b5850f9ed954133\",\"Stream\":true,\"Hostinfo\":{\"IPNVersion\":\"1.80.3-ERR-Buil"
	  "dInfo\",\"BackendLogID\":\"d23576dd3df7460434183e9fe745537557d8ce258f9b6e38b7c8f72ad8649b1a\",\"OS\":\"linux\",\"OSVersion\":\"6.1.0\",\"Container\":t"
	  "rue,\"Distro\":\"debian\",\"DistroVersion\":\"12.11\",\"DistroCodeName\":\"bookworm\",\"Desktop\":false,\"Hostname\":\"n3\",\"NoLogsNoSupport\":true,\""
	  "Machine\":\"x86_64\",\"GoArch\":\"amd64\",\"GoArchVar\":\"v1\",\"GoVersion\":\"go1.26.8\",\"sshHostKeys\":[\"ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABAQCrz"
	  "70D4TW+mGxBOLMb94xmvrl8OSu7LPB7m/lkpNEaDJiFv5Rpw1YfuEH+YUOF7ID43mUPJvj0Fv/8ImXmz60BkdSElDm0yu6BhrJ3V/Qv5pqcRDoikU/62zXeAZXhzD/NsU7j+qReJtnxVX9XxNIBnmI"
	  "AFQ4ThyEl19fjdv8KbADiOPU88uoes/wXF2K/hdeIc49/uaxu2j9cVa7GQX+UPDqMrkyE4RrMnd2pS7jAxEK/30Eb51WXO86R3cm7MLFY7WFamdXjeIIGKDy32WiiZOS4f85yORa5r0wEGY6KDyXEY"
	  "XbG3YHRhcF99+50YqeRT1xtgCPXc4xtrFmPl/Jl\",\"ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBK2WPn6qnhy4zAhENZVvoLGLjc3HmGMKA1"
	  "GHrm64Dazehmpl04x1prBVQED0T4KgqJi4M6qmfLkZRMUTwu+/K0E=\",\"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIADtO/AgbTLYQrz+6yz1bQHhL3rQZJWbVArAFaPyP+j7\"],\"Users"
	  "pace\":false,\"UserspaceRouter\":false,\"AppConnector\":false}}" },
	{ "/machine/map",
	  "{\"Version\":113,\"Compress\":\"zstd\",\"KeepAlive\":true,\"NodeKey\":\"nodekey:8a025143fb37bef9dfaa64252cef0677bc64e0633591a1d7cda833923b007f18\",\"D"
	  "iscoKey\":\"discokey:2c42b6e397aa185ded70a289d7efd3362937998e111b1c2a0b5850f9ed954133\",\"Stream\":false,\"Hostinfo\":{\"IPNVersion\":\"1.80.3-ERR-Bui"
	  "ldInfo\",\"BackendLogID\":\"d23576dd3df7460434183e9fe745537557d8ce258f9b6e38b7c8f72ad8649b1a\",\"OS\":\"linux\",\"OSVersion\":\"6.1.0\",\"Container\":"
	  "true,\"Distro\":\"debian\",\"DistroVersion\":\"12.11\",\"DistroCodeName\":\"bookworm\",\"Desktop\":false,\"Hostname\":\"n3\",\"NoLogsNoSupport\":true,"
	  "\"Machine\":\"x86_64\",\"GoArch\":\"amd64\",\"GoArchVar\":\"v1\",\"GoVersion\":\"go1.26.8\",\"Services\":[{\"Proto\":\"peerapi4\",\"Port\":34152},{\"P"
	  "roto\":\"peerapi6\",\"Port\":34984},{\"Proto\":\"peerapi-dns-proxy\",\"Port\":1}],\"sshHostKeys\":[\"ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABAQCrz70D4TW+m"
	  "GxBOLMb94xmvrl8OSu7LPB7m/lkpNEaDJiFv5Rpw1YfuEH+YUOF7ID43mUPJvj0Fv/8ImXmz60BkdSElDm0yu6BhrJ3V/Qv5pqcRDoikU/62zXeAZXhzD/NsU7j+qReJtnxVX9XxNIBnmIAFQ4ThyE"
	  "l19fjdv8KbADiOPU88uoes/wXF2K/hdeIc49/uaxu2j9cVa7GQX+UPDqMrkyE4RrMnd2pS7jAxEK/30Eb51WXO86R3cm7MLFY7WFamdXjeIIGKDy32WiiZOS4f85yORa5r0wEGY6KDyXEYXbG3YHRh"
	  "cF99+50YqeRT1xtgCPXc4xtrFmPl/Jl\",\"ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBK2WPn6qnhy4zAhENZVvoLGLjc3HmGMKA1GHrm64Da"
	  "zehmpl04x1prBVQED0T4KgqJi4M6qmfLkZRMUTwu+/K0E=\",\"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIADtO/AgbTLYQrz+6yz1bQHhL3rQZJWbVArAFaPyP+j7\"],\"Userspace\":f"
	  "alse,\"UserspaceRouter\":false,\"AppConnector\":false},\"OmitPeers\":true}" },
	{ "/machine/map",
	  "{\"Version\":113,\"Compress\":\"zstd\",\"KeepAlive\":true,\"NodeKey\":\"nodekey:8a025143fb37bef9dfaa64252cef0677bc64e0633591a1d7cda833923b007f18\",\"D"
	  "iscoKey\":\"discokey:2c42b6e397aa185ded70a289d7efd3362937998e111b1c2a0b5850f9ed954133\",\"Stream\":false,\"Hostinfo\":{\"IPNVersion\":\"1.80.3-ERR-Bui"
	  "ldInfo\",\"BackendLogID\":\"d23576dd3df7460434183e9fe745537557d8ce258f9b6e38b7c8f72ad8649b1a\",\"OS\":\"linux\",\"OSVersion\":\"6.1.0\",\"Container\":"
	  "true,\"Distro\":\"debian\",\"DistroVersion\":\"12.11\",\"DistroCodeName\":\"bookworm\",\"Desktop\":false,\"Hostname\":\"n3\",\"NoLogsNoSupport\":true,"
	  "\"Machine\":\"x86_64\",\"GoArch\":\"amd64\",\"GoArchVar\":\"v1\",\"GoVersion\":\"go1.26.8\",\"Services\":[{\"Proto\":\"peerapi4\",\"Port\":34152},{\"P"
	  "roto\":\"peerapi6\",\"Port\":34984},{\"Proto\":\"peerapi-dns-proxy\",\"Port\":1}],\"NetInfo\":{\"MappingVariesByDestIP\":null,\"HairPinning\":null,\"W"
	  "orkingIPv6\":false,\"OSHasIPv6\":true,\"WorkingUDP\":true,\"WorkingICMPv4\":false,\"UPnP\":false,\"PMP\":false,\"PCP\":false,\"PreferredDERP\":999,\"D"
	  "ERPLatency\":{\"999-v4\":0.000522661},\"FirewallMode\":\"nft-forced\"},\"sshHostKeys\":[\"ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABAQCrz70D4TW+mGxBOLMb94xm"
	  "vrl8OSu7LPB7m/lkpNEaDJiFv5Rpw1YfuEH+YUOF7ID43mUPJvj0Fv/8ImXmz60BkdSElDm0yu6BhrJ3V/Qv5pqcRDoikU/62zXeAZXhzD/NsU7j+qReJtnxVX9XxNIBnmIAFQ4ThyEl19fjdv8KbA"
	  "DiOPU88uoes/wXF2K/hdeIc49/uaxu2j9cVa7GQX+UPDqMrkyE4RrMnd2pS7jAxEK/30Eb51WXO86R3cm7MLFY7WFamdXjeIIGKDy32WiiZOS4f85yORa5r0wEGY6KDyXEYXbG3YHRhcF99+50YqeR"
	  "T1xtgCPXc4xtrFmPl/Jl\",\"ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBK2WPn6qnhy4zAhENZVvoLGLjc3HmGMKA1GHrm64Dazehmpl04x1p"
	  "rBVQED0T4KgqJi4M6qmfLkZRMUTwu+/K0E=\",\"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIADtO/AgbTLYQrz+6yz1bQHhL3rQZJWbVArAFaPyP+j7\"],\"Userspace\":false,\"User"
	  "spaceRouter\":false,\"AppConnector\":false},\"Endpoints\":[\"10.77.0.13:41641\"],\"EndpointTypes\":[2],\"OmitPeers\":true}" },
	{ "/machine/map",
	  "{\"Version\":113,\"Compress\":\"zstd\",\"KeepAlive\":true,\"NodeKey\":\"nodekey:8a025143fb37bef9dfaa64252cef0677bc64e0633591a1d7cda833923b007f18\",\"D"
	  "iscoKey\":\"discokey:2c42b6e397aa185ded70a289d7efd3362937998e111b1c2a0b5850f9ed954133\",\"Stream\":false,\"Hostinfo\":{\"IPNVersion\":\"1.80.3-ERR-Bui"
	  "ldInfo\",\"BackendLogID\":\"d23576dd3df7460434183e9fe745537557d8ce258f9b6e38b7c8f72ad8649b1a\",\"OS\":\"linux\",\"OSVersion\":\"6.1.0\",\"Container\":"
	  "true,\"Distro\":\"debian\",\"DistroVersion\":\"12.11\",\"DistroCodeName\":\"bookworm\",\"Desktop\":false,\"Hostname\":\"n3\",\"NoLogsNoSupport\":true,"
	  "\"Machine\":\"x86_64\",\"GoArch\":\"amd64\",\"GoArchVar\":\"v1\",\"GoVersion\":\"go1.26.8\",\"Services\":[{\"Proto\":\"peerapi4\",\"Port\":34152},{\"P"
	  "roto\":\"peerapi6\",\"Port\":34984},{\"Proto\":\"peerapi-dns-proxy\",\"Port\":1}],\"NetInfo\":{\"MappingVariesByDestIP\":false,\"HairPinning\":null,\""
	  "WorkingIPv6\":false,\"OSHasIPv6\":true,\"WorkingUDP\":true,\"WorkingICMPv4\":false,\"UPnP\":false,\"PMP\":false,\"PCP\":false,\"PreferredDERP\":999,\""
	  "DERPLatency\":{\"999-v4\":0.00560415},\"FirewallMode\":\"nft-forced\"},\"sshHostKeys\":[\"ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABAQCrz70D4TW+mGxBOLMb94xm"
	  "vrl8OSu7LPB7m/lkpNEaDJiFv5Rpw1YfuEH+YUOF7ID43mUPJvj0Fv/8ImXmz60BkdSElDm0yu6BhrJ3V/Qv5pqcRDoikU/62zXeAZXhzD/NsU7j+qReJtnxVX9XxNIBnmIAFQ4ThyEl19fjdv8KbA"
	  "DiOPU88uoes/wXF2K/hdeIc49/uaxu2j9cVa7GQX+UPDqMrkyE4RrMnd2pS7jAxEK/30Eb51WXO86R3cm7MLFY7WFamdXjeIIGKDy32WiiZOS4f85yORa5r0wEGY6KDyXEYXbG3YHRhcF99+50YqeR"
	  "T1xtgCPXc4xtrFmPl/Jl\",\"ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBK2WPn6qnhy4zAhENZVvoLGLjc3HmGMKA1GHrm64Dazehmpl04x1p"
	  "rBVQED0T4KgqJi4M6qmfLkZRMUTwu+/K0E=\",\"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIADtO/AgbTLYQrz+6yz1bQHhL3rQZJWbVArAFaPyP+j7\"],\"Userspace\":false,\"User"
	  "spaceRouter\":false,\"AppConnector\":false},\"Endpoints\":[\"10.77.0.13:41641\"],\"EndpointTypes\":[2],\"OmitPeers\":true}" },
	{ "/machine/map",
	  "{\"Version\":113,\"Compress\":\"zstd\",\"KeepAlive\":true,\"NodeKey\":\"nodekey:8a025143fb37bef9dfaa64252cef0677bc64e0633591a1d7cda833923b007f18\",\"D"
	  "iscoKey\":\"discokey:2c42b6e397aa185ded70a289d7efd3362937998e111b1c2a0b5850f9ed954133\",\"Stream\":false,\"Hostinfo\":{\"IPNVersion\":\"1.80.3-ERR-Bui"
	  "ldInfo\",\"BackendLogID\":\"d23576dd3df7460434183e9fe745537557d8ce258f9b6e38b7c8f72ad8649b1a\",\"OS\":\"linux\",\"OSVersion\":\"6.1.0\",\"Container\":"
	  "true,\"Distro\":\"debian\",\"DistroVersion\":\"12.11\",\"DistroCodeName\":\"bookworm\",\"Desktop\":false,\"Hostname\":\"n3\",\"NoLogsNoSupport\":true,"
	  "\"Machine\":\"x86_64\",\"GoArch\":\"amd64\",\"GoArchVar\":\"v1\",\"GoVersion\":\"go1.26.8\",\"RoutableIPs\":[\"0.0.0.0/0\",\"::/0\",\"10.88.0.0/24\"],"
	  "\"Services\":[{\"Proto\":\"peerapi4\",\"Port\":34152},{\"Proto\":\"peerapi6\",\"Port\":34984},{\"Proto\":\"peerapi-dns-proxy\",\"Port\":1}],\"NetInfo\""
	  ":{\"MappingVariesByDestIP\":false,\"HairPinning\":null,\"WorkingIPv6\":false,\"OSHasIPv6\":true,\"WorkingUDP\":true,\"WorkingICMPv4\":false,\"UPnP\":f"
	  "alse,\"PMP\":false,\"PCP\":false,\"PreferredDERP\":999,\"DERPLatency\":{\"999-v4\":0.00560415},\"FirewallMode\":\"nft-forced\"},\"sshHostKeys\":[\"ssh"
	  "-rsa AAAAB3NzaC1yc2EAAAADAQABAAABAQCrz70D4TW+mGxBOLMb94xmvrl8OSu7LPB7m/lkpNEaDJiFv5Rpw1YfuEH+YUOF7ID43mUPJvj0Fv/8ImXmz60BkdSElDm0yu6BhrJ3V/Qv5pqcRDoik"
	  "U/62zXeAZXhzD/NsU7j+qReJtnxVX9XxNIBnmIAFQ4ThyEl19fjdv8KbADiOPU88uoes/wXF2K/hdeIc49/uaxu2j9cVa7GQX+UPDqMrkyE4RrMnd2pS7jAxEK/30Eb51WXO86R3cm7MLFY7WFamdX"
	  "jeIIGKDy32WiiZOS4f85yORa5r0wEGY6KDyXEYXbG3YHRhcF99+50YqeRT1xtgCPXc4xtrFmPl/Jl\",\"ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYA"
	  "AABBBK2WPn6qnhy4zAhENZVvoLGLjc3HmGMKA1GHrm64Dazehmpl04x1prBVQED0T4KgqJi4M6qmfLkZRMUTwu+/K0E=\",\"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIADtO/AgbTLYQrz+6"
	  "yz1bQHhL3rQZJWbVArAFaPyP+j7\"],\"Userspace\":false,\"UserspaceRouter\":false,\"AppConnector\":false},\"Endpoints\":[\"10.77.0.13:41641\"],\"EndpointTy"
	  "pes\":[2],\"OmitPeers\":true,\"DebugFlags\":[\"warn-ip-forwarding-off\"]}" },
	{ "/machine/map",
	  "{\"Version\":113,\"Compress\":\"zstd\",\"KeepAlive\":true,\"NodeKey\":\"nodekey:8a025143fb37bef9dfaa64252cef0677bc64e0633591a1d7cda833923b007f18\",\"D"
	  "iscoKey\":\"discokey:2c42b6e397aa185ded70a289d7efd3362937998e111b1c2a0b5850f9ed954133\",\"Stream\":false,\"Hostinfo\":{\"IPNVersion\":\"1.80.3-ERR-Bui"
	  "ldInfo\",\"BackendLogID\":\"d23576dd3df7460434183e9fe745537557d8ce258f9b6e38b7c8f72ad8649b1a\",\"OS\":\"linux\",\"OSVersion\":\"6.1.0\",\"Container\":"
	  "true,\"Distro\":\"debian\",\"DistroVersion\":\"12.11\",\"DistroCodeName\":\"bookworm\",\"Desktop\":false,\"Hostname\":\"n3\",\"NoLogsNoSupport\":true,"
	  "\"Machine\":\"x86_64\",\"GoArch\":\"amd64\",\"GoArchVar\":\"v1\",\"GoVersion\":\"go1.26.8\",\"RoutableIPs\":[\"0.0.0.0/0\",\"::/0\",\"10.88.0.0/24\"],"
	  "\"Services\":[{\"Proto\":\"peerapi4\",\"Port\":34152},{\"Proto\":\"peerapi6\",\"Port\":34984},{\"Proto\":\"peerapi-dns-proxy\",\"Port\":1}],\"NetInfo\""
	  ":{\"MappingVariesByDestIP\":null,\"HairPinning\":null,\"WorkingIPv6\":false,\"OSHasIPv6\":true,\"WorkingUDP\":true,\"WorkingICMPv4\":false,\"UPnP\":fa"
	  "lse,\"PMP\":false,\"PCP\":false,\"PreferredDERP\":999,\"DERPLatency\":{\"999-v4\":0.000273886},\"FirewallMode\":\"nft-forced\"},\"sshHostKeys\":[\"ssh"
	  "-rsa AAAAB3NzaC1yc2EAAAADAQABAAABAQCrz70D4TW+mGxBOLMb94xmvrl8OSu7LPB7m/lkpNEaDJiFv5Rpw1YfuEH+YUOF7ID43mUPJvj0Fv/8ImXmz60BkdSElDm0yu6BhrJ3V/Qv5pqcRDoik"
	  "U/62zXeAZXhzD/NsU7j+qReJtnxVX9XxNIBnmIAFQ4ThyEl19fjdv8KbADiOPU88uoes/wXF2K/hdeIc49/uaxu2j9cVa7GQX+UPDqMrkyE4RrMnd2pS7jAxEK/30Eb51WXO86R3cm7MLFY7WFamdX"
	  "jeIIGKDy32WiiZOS4f85yORa5r0wEGY6KDyXEYXbG3YHRhcF99+50YqeRT1xtgCPXc4xtrFmPl/Jl\",\"ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYA"
	  "AABBBK2WPn6qnhy4zAhENZVvoLGLjc3HmGMKA1GHrm64Dazehmpl04x1prBVQED0T4KgqJi4M6qmfLkZRMUTwu+/K0E=\",\"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIADtO/AgbTLYQrz+6"
	  "yz1bQHhL3rQZJWbVArAFaPyP+j7\"],\"Userspace\":false,\"UserspaceRouter\":false,\"AppConnector\":false},\"Endpoints\":[\"10.77.0.13:41641\"],\"EndpointTy"
	  "pes\":[2],\"OmitPeers\":true,\"DebugFlags\":[\"warn-ip-forwarding-off\"]}" },
	{ "/machine/register",
	  "{\"Version\":113,\"NodeKey\":\"nodekey:684fe888fbdd198546e4ab92e567cdcdccfaa594ae720d82cc3d516999c1313a\",\"OldNodeKey\":\"nodekey:0000000000000000000"
	  "000000000000000000000000000000000000000000000\",\"NLKey\":\"nlpub:ee6c1655e86a3d70dc2b497bd18b99851ed78cb96783fc5c0aba3820a9348ae8\",\"Expiry\":\"0001"
	  "-01-01T00:00:00Z\",\"Followup\":\"https://control.test/register/hskey-authreq-f5a1e07424b3458defae2142\",\"Hostinfo\":{\"IPNVersion\":\"1.80.3-ERR-Bui"
	  "ldInfo\",\"BackendLogID\":\"d23576dd3df7460434183e9fe745537557d8ce258f9b6e38b7c8f72ad8649b1a\",\"OS\":\"linux\",\"OSVersion\":\"6.1.0\",\"Container\":"
	  "true,\"Distro\":\"debian\",\"DistroVersion\":\"12.11\",\"DistroCodeName\":\"bookworm\",\"Desktop\":false,\"Hostname\":\"n4\",\"NoLogsNoSupport\":true,"
	  "\"Machine\":\"x86_64\",\"GoArch\":\"amd64\",\"GoArchVar\":\"v1\",\"GoVersion\":\"go1.26.8\",\"Userspace\":false,\"UserspaceRouter\":false,\"AppConnect"
	  "or\":false},\"NodeKeySignature\":null}" },
	{ "/machine/register",
	  "{\"Version\":113,\"NodeKey\":\"nodekey:3dd2eeaa347fd6ee745d64fc1cc4dde67b1e38fe51f64360f9245d819c0ed118\",\"OldNodeKey\":\"nodekey:0000000000000000000"
	  "000000000000000000000000000000000000000000000\",\"NLKey\":\"nlpub:b04d16b9933df4183b1857c679d396222c4574cb5e925e2852849ed310c6ca1f\",\"Auth\":{\"AuthK"
	  "ey\":\"hskey-auth-5b51520bfc5b-0ab6bc41a1fa9864bda2f1009c93268e09803f95483cab79a009299b5c819a4b\"},\"Expiry\":\"1970-01-01T00:02:03Z\",\"Followup\":\""
	  "\",\"Hostinfo\":{\"IPNVersion\":\"1.80.3-ERR-BuildInfo\",\"BackendLogID\":\"d23576dd3df7460434183e9fe745537557d8ce258f9b6e38b7c8f72ad8649b1a\",\"OS\":"
	  "\"linux\",\"OSVersion\":\"6.1.0\",\"Container\":true,\"Distro\":\"debian\",\"DistroVersion\":\"12.11\",\"DistroCodeName\":\"bookworm\",\"Desktop\":fal"
	  "se,\"Hostname\":\"n5\",\"NoLogsNoSupport\":true,\"Machine\":\"x86_64\",\"GoArch\":\"amd64\",\"GoArchVar\":\"v1\",\"GoVersion\":\"go1.26.8\",\"Services"
	  "\":[{\"Proto\":\"peerapi4\",\"Port\":41053},{\"Proto\":\"peerapi6\",\"Port\":44445},{\"Proto\":\"peerapi-dns-proxy\",\"Port\":1}],\"NetInfo\":{\"Mappi"
	  "ngVariesByDestIP\":false,\"HairPinning\":null,\"WorkingIPv6\":false,\"OSHasIPv6\":true,\"WorkingUDP\":true,\"WorkingICMPv4\":false,\"UPnP\":false,\"PM"
	  "P\":false,\"PCP\":false,\"PreferredDERP\":999,\"DERPLatency\":{\"999-v4\":0.005290505},\"FirewallMode\":\"nft-forced\"},\"Userspace\":false,\"Userspac"
	  "eRouter\":false,\"AppConnector\":false},\"NodeKeySignature\":null}" },
};

#endif
