package check

import (
	"net"
	"strings"
)

// awsRules are about requests that are signed for AWS: F306 to F311.
func awsRules() []Rule {
	return []Rule{
		{"F306", "region-missing", Warning, "the region is that of AWS_REGION, which Fargate sets and other launch types don't", eachOutlet(regionMissing)},
		{"F307", "region-differs", Error, "requests are signed for another region than the host's: the service refuses each one", eachOutlet(regionDiffers)},
		{"F308", "service-unknown", Error, "requests are signed for a service that Amazon OpenSearch isn't", eachOutlet(serviceUnknown)},
		{"F309", "service-differs", Error, "a collection of OpenSearch Serverless wants the service aoss, and a domain the service es", eachOutlet(serviceDiffers)},
		{"F310", "signed-elsewhere", Warning, "requests are signed for AWS, and the host isn't one of AWS", eachOutlet(signedElsewhere)},
		{"F311", "unsigned", Warning, "requests to an AWS domain aren't signed, and have no user: most domains refuse them", eachOutlet(unsigned)},
	}
}

// awsRegion matches the region in the name of a service's host: logs.eu-west-1.amazonaws.com.
var awsRegion = lazily(`\.([a-z]{2}(?:-[a-z]+)+-\d)\..*amazonaws\.com`)

// regionOptions are the options that name a region.
var regionOptions = []string{"aws_region", "region", "endpoint.region", "s3_region", "auth.aws_region", "sasl_aws_msk_iam_aws_region"}

// signs reports whether the output's requests are signed for AWS.
func (o *outlet) signs() bool { return strings.HasPrefix(o.desc.SignIn, "AWS Signature") }

func regionMissing(o *outlet) {
	if !o.signs() || o.desc.AWSRegion != "" {
		return
	}
	severity := Note
	if t := o.Task; t != nil && t.Definition != nil {
		if t.Environment["AWS_REGION"] != "" || t.Environment["AWS_DEFAULT_REGION"] != "" || o.fargate() {
			return
		}
		severity = Warning
	}
	option := "region"
	if g, ok := o.given("aws_auth"); ok && isOn(g.Value) {
		option = "aws_region"
	}
	o.tell(o.found(severity, o.spot("aws_auth", "endpoint.url"), nil, option+" with the region's name",
		"The output %s has no region, and takes that of AWS_REGION: Fargate sets it; on other launch types, where it isn't set, no request can be signed, and all records wait", o.Instance.Name))
}

func regionDiffers(o *outlet) {
	g, ok := o.given(regionOptions...)
	if !ok || g.Value == "" || !o.signs() || len(o.desc.Servers) == 0 {
		return
	}
	host := strings.ToLower(o.desc.Servers[0].Host)
	m := awsRegion().FindStringSubmatch(host)
	region := strings.Trim(g.Value, `"`)
	if m == nil || m[1] == region {
		return
	}
	o.tell(o.found(Error, g.Pos, o.rewrite(g.Pos, g.Value, m[1]), m[1], "Requests are signed for the region %s, and %s is in %s: the service refuses each request, and all records wait", region, host, m[1]))
}

// search is the output's domain or collection of Amazon OpenSearch, if requests to it are signed.
func (o *outlet) search() (host string, ok bool) {
	if !o.signs() || len(o.desc.Servers) == 0 {
		return "", false
	}
	return o.desc.Servers[0].Host, strings.HasPrefix(o.desc.Service, "Amazon OpenSearch")
}

func serviceUnknown(o *outlet) {
	host, ok := o.search()
	g, given := o.given("aws_service_name", "endpoint.aws_service_name")
	if !ok || !given || g.Value == "" || strings.EqualFold(g.Value, "es") || strings.EqualFold(g.Value, "aoss") {
		return
	}
	want, fix := "es, or aoss for Serverless", (*Fix)(nil)
	if s := searchService(host); s != "" {
		want, fix = s, o.rewrite(g.Pos, g.Value, s)
	}
	o.tell(o.found(Error, g.Pos, fix, want, "Requests are signed for the service %s: %s refuses each request, and all records wait", g.Value, host))
}

func serviceDiffers(o *outlet) {
	host, ok := o.search()
	of := searchService(host)
	if !ok || of == "" {
		return
	}
	g, given := o.given("aws_service_name", "endpoint.aws_service_name")
	service := "es"
	if given {
		service = strings.ToLower(g.Value)
	}
	if service == of || given && service != "es" && service != "aoss" { // F308
		return
	}
	at := o.spot("aws_service_name", "endpoint.aws_service_name", "aws_auth", "endpoint.url")
	fix := o.rewrite(at, g.Value, of)
	if !given && !o.fluentd() {
		fix = o.insert(at, "aws_service_name "+of)
	}
	kind, what := "domain", "a domain of Amazon OpenSearch"
	if of == "aoss" {
		kind, what = "collection", "a collection of OpenSearch Serverless"
	}
	o.tell(o.found(Error, at, fix, "aws_service_name "+of, "%s is %s, and requests are signed for the service %s: the %s refuses each request, and all records wait", host, what, service, kind))
}

func signedElsewhere(o *outlet) {
	host, ok := o.search()
	if !ok || strings.Contains(host, ".amazonaws.") || strings.HasSuffix(host, ".api.aws") || strings.HasSuffix(host, ".on.aws") || o.unknown("host", "endpoint.url") {
		return
	}
	severity := Note // a domain may have a name of the user's own
	text := "Requests to %s are signed for AWS, but the name isn't one of AWS: that is right only if it is the custom endpoint of a domain"
	if isLocal(host) || net.ParseIP(host) != nil || !strings.Contains(host, ".") {
		severity, text = Warning, "Requests to %s are signed for AWS, but no domain of Amazon OpenSearch has such a name: another server ignores the signature, and refuses records if it wants a password"
	}
	o.tell(o.found(severity, o.spot("aws_auth", "endpoint.url"), nil, "the domain's endpoint as host, or no signature", text, host))
}

func unsigned(o *outlet) {
	if o.desc.SignIn != "" || len(o.desc.Servers) == 0 || !isSearchDomain(o.desc.Servers[0].Host) {
		return
	}
	host := o.desc.Servers[0].Host
	var fix *Fix
	want := "<endpoint> with the url, instead of host"
	if !o.fluentd() {
		want = "aws_auth On"
		if g, ok := o.given("aws_auth"); ok {
			fix = o.rewrite(g.Pos, g.Value, "On")
		} else {
			fix = o.insert(o.spot("host"), "aws_auth On")
		}
	}
	if o.Task != nil && o.Task.Definition != nil && o.Task.TaskRole.Text == "" && !o.Task.TaskRole.Unknown && !o.Task.Partial {
		want += ", and taskRoleArn with a role that allows es:ESHttpPost, which the task does not have"
	}
	o.tell(o.found(Warning, o.spot("aws_auth", "host", "hosts"), fix, want,
		"Requests to %s have no signature and no user: the domain answers 403, unless its access policy lets everybody in, and all records wait", host))
}
