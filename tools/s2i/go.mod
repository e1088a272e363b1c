module modelcast/tools/s2i

go 1.26.2

require github.com/openshift/source-to-image v1.6.3
