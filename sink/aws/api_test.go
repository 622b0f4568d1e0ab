package aws

import "testing"

// TestOnlyAnAnswerWithoutFailuresIsNotRead: everything else is decoded.
func TestOnlyAnAnswerWithoutFailuresIsNotRead(t *testing.T) {
	for answer, want := range map[string]bool{
		`{"FailedPutCount":0,"RequestResponses":[{"RecordId":"a"}]}`:                     true,
		"{\"RequestResponses\":[{\"RecordId\":\"a\"}], \"FailedPutCount\" : 0 }\n":       true,
		`{"Encrypted":true,"FailedPutCount":0}`:                                          true,
		`{"FailedPutCount":1,"RequestResponses":[{"ErrorCode":"a"}]}`:                    false,
		`{"FailedPutCount":0,"RequestResponses":[{"ErrorCode":"a"}]}`:                    false,
		`{"FailedPutCount":0.5}`:                                                         false,
		`{"FailedPutCount":01}`:                                                          false,
		`{"FailedPutCount":"0"}`:                                                         false,
		`{"FailedPutCount":0`:                                                            false,
		`{"RequestResponses":[{"RecordId":"\"FailedPutCount\":0,"}],"FailedPutCount":2}`: false,
		`{"RequestResponses":[]}`:                                                        false,
		`"FailedPutCount":0,}`:                                                           false,
		``:                                                                               false,
		`"FailedPutCount"`:                                                               false,
	} {
		if got := noneFailed([]byte(answer), "FailedPutCount"); got != want {
			t.Errorf("%s: got %v, want %v", answer, got, want)
		}
	}
}
