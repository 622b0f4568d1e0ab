package aws

import "testing"

func TestRegionIsReadOutOfTheHost(t *testing.T) {
	for host, want := range map[string]string{
		"search-x-abc.eu-west-1.es.amazonaws.com": "eu-west-1", "x.us-gov-west-1.aoss.amazonaws.com": "us-gov-west-1",
		"vpc-x.cn-north-1.es.amazonaws.com.cn": "cn-north-1", "os.example": "", "10.0.0.1": "",
	} {
		if got := RegionOf(host); got != want {
			t.Errorf("%s: got %q, want %q", host, got, want)
		}
	}
}
